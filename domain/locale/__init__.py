"""The catalogs of all languages except English, and their maintenance."""
