"""The catalogs of every language but English, and what keeps them."""
