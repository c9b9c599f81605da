"""Submissions: folders with other implementations, how they are read, checked and timed."""
