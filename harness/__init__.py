"""Other people's implementations: submission folders, isolation, audits, and what they cost."""
