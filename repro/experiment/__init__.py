"""Experiments: the suite's measuring code, and the setting that one trial is run with."""
