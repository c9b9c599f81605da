"""Criteria: the rules and the statistics that turn samples into verdicts."""
