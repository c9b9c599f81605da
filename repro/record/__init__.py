"""Records of verdicts, the store that keeps them, and the index over them."""
