"""The service beside the pages: takes records in, and gives out records, the board as JSON, and badges."""
