"""The leaderboard: the published records and the local store, as pages. It reads and never writes."""
