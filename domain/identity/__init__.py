"""Accounts, people, API keys, sign-in, sessions and their protection."""
