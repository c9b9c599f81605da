"""What runs inside the jail: the worker, its limits and the wire format."""
