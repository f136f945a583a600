"""Checklist items, their conditions and snoozes."""
