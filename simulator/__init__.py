"""A simulated switch. Like a real one, it uses only `/ingest/*`."""
