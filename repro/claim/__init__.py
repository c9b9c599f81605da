"""Claims: what a paper says as a statement that can fail, and where claims are found."""
