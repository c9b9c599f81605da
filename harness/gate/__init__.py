"""The gate: whether a change may pass, from verdicts, quality and costs."""
