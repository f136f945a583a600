"""Number blocks and SIP users."""
