"""Parts of pages, shared by the board and the static export."""
