"""Alert rules, their evaluation, alerts and their history."""
