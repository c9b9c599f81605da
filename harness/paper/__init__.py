"""A paper's own files: written as a skeleton, and checked for what is missing."""
