"""Rates and rating, the ledger, invoices and reconciliation."""
