"""How each table is placed on several servers (Citus): a copy on each, or rows by account.

`tests/scale_out` holds the rules that follow; docs/scale-out.md explains them.
"""

# Needed before the account is known; every server has all rows.
REFERENCE = ("accounts", "logins")

# Rows are distributed by `account_id`. A table follows those that its foreign keys name.
DISTRIBUTED = (
    # people
    "staff",
    "customers",
    "contacts",
    "api_keys",
    "sessions",
    "recovery_codes",
    "proofs",
    "messages",
    "audit_log",
    "checklists",
    "checklist_snoozes",
    # carriers, switches and rates
    "carriers",
    "switches",
    "rate_cards",
    "rate_card_revisions",
    "rates",
    "rate_card_assignments",
    # calls and their sums
    "channel_reports",
    "record_keys",
    "reused_call_ids",
    "call_records",
    "record_revisions",
    "quarantine",
    "quarantine_sizes",
    "unknown_ends",
    "hour_marks",
    "hour_failures",
    "hours",
    "day_sums",
    "month_sums",
    "rollups",
    "rollup_destinations",
    "destination_days",
    "rollup_codes",
    "carrier_days",
    "country_slots",
    "country_days",
    "minute_sums",
    "pdd_minutes",
    "pdd_slots",
    "pdd_days",
    "channel_minutes",
    "channel_five_minutes",
    "channel_hours",
    "revisions",
    # money
    "ledger_entries",
    "balances",
    "invoice_series",
    "invoices",
    "invoice_lines",
    "invoice_hours",
    "invoice_adjustments",
    "discarded_drafts",
    "idempotency_keys",
    # facts and alerts
    "facts",
    "fact_heads",
    "alert_rules",
    "alerts",
    # numbers
    "number_ranges",
    "number_blocks",
    "number_gaps",
    "sip_users",
    "kamailio_readers",
)

# Tables of the migrations; they stay on the server that clients connect to.
LOCAL = ("compatible_migrations", "tortoise_migrations")
