"""Live channels, sliding windows and feeds."""
