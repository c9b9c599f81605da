"""The machine: what it is, how it is made deterministic, and what a run costs on it."""
