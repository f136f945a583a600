"""Accounts, people, API keys, sign-in, sessions and what protects them."""
