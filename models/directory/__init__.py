"""Customers, carriers, switches, profiles and the audit log."""
