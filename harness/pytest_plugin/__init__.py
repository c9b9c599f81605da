"""The pytest plugin: claims as tests, their progress and the table of verdicts."""
