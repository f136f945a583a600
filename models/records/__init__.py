"""Call records, their revisions, and the records under review."""
