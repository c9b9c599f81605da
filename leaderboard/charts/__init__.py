"""Charts of the board, as Altair specifications."""
