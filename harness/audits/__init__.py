"""Audits: what a submission must pass before any claim is judged."""
