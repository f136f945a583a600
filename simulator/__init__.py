"""A simulated switch: speaks `/ingest/*` as a real one would, and knows no other way in."""
