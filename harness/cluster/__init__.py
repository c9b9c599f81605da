"""Trials on more than one machine: the plan, the Ray pool, and the scheduling of trials on it."""
