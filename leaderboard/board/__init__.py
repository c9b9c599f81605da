"""What the board knows: records and claims as typed rows, without any page."""
