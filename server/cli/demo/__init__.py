"""`./callboard demo`."""
