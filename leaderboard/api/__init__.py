"""The service that comes with the pages: takes records in, and gives out records, the board as JSON, and badges."""
