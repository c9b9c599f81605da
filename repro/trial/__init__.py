"""Trials: one arm of a claim at one seed, computed once, cached, and judged."""
