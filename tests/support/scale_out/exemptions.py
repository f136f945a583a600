"""Statements that break a rule today, each with its reason. The list can only shrink."""

from dataclasses import dataclass

from tests.support.scale_out.rules import Rule


@dataclass(frozen=True, slots=True)
class Exemption:
    function: str  # that runs the statement, such as `models.messaging.outbox.claim`
    rule: Rule
    details: frozenset[str]  # of the violations: tables, with their aliases
    reason: str


def _exempt(function: str, rule: Rule, *details: str, reason: str) -> Exemption:
    return Exemption(function, rule, frozenset(details), reason)


_ALL_ACCOUNTS = "Finds the accounts that have work; on Citus, every server is asked."
_BATCH = "One statement for tokens of many accounts; on Citus, one for each account."
_SIGN_IN = "The account is not known at sign-in; on Citus, find it by the e-mail address first."
_CLAIM = "The worker claims messages of all accounts at once; on Citus, claim for each account."
_DAY = "Decides about a day of all accounts; on Citus, every server is asked."
_SUMS = (
    "One statement sums an hour in one pass; on Citus, one INSERT ... SELECT for each of the"
    " tables, then the hour."
)
_POSTING = "Posts and marks in one statement; on Citus, an INSERT after a SELECT FOR UPDATE."

EXEMPTIONS = (
    _exempt(
        "models.identity.credentials.find_changed",
        Rule.ACCOUNT,
        *("api_keys k", "sessions s", "staff", "staff t", "contacts c"),
        reason=_BATCH,
    ),
    _exempt(
        "models.identity.credentials.record_last_use", Rule.ACCOUNT, "api_keys k", reason=_BATCH
    ),
    _exempt(
        "models.identity.session_list.extend",
        Rule.ACCOUNT,
        "sessions s",
        "sessions k",
        reason=_BATCH,
    ),
    _exempt("models.identity.session_list.extend", Rule.LOCK, "sessions k", reason=_BATCH),
    _exempt(
        "models.identity.session_list.extend",
        Rule.TIME,
        "sessions.expires_at",
        reason="Each session of the batch expires after its own use; on Citus, Python computes it.",
    ),
    _exempt(
        "models.identity.logins._person",
        Rule.ACCOUNT,
        *("staff s", "contacts c", "sessions h"),
        reason=_SIGN_IN,
    ),
    _exempt(
        "models.messaging.outbox.claim",
        Rule.ACCOUNT,
        *("messages", "messages m", "proofs p"),
        reason=_CLAIM,
    ),
    _exempt("models.messaging.outbox.claim", Rule.LOCK, "messages", reason=_CLAIM),
    _exempt(
        "models.alerting.alert_states.accounts_with_rules",
        Rule.ACCOUNT,
        "alert_rules",
        reason=_ALL_ACCOUNTS,
    ),
    _exempt(
        "models.summaries.marks.accounts_with_marks",
        Rule.ACCOUNT,
        "hour_marks",
        "hour_marks m",
        reason=_ALL_ACCOUNTS,
    ),
    _exempt(
        "models.summaries.hours.marked_hours", Rule.ACCOUNT, "hour_marks", reason=_ALL_ACCOUNTS
    ),
    _exempt(
        "models.summaries.frozen_hours.open_accounts",
        Rule.ACCOUNT,
        "hours",
        "hour_marks",
        reason=_DAY,
    ),
    _exempt("models.records.partitions._drop", Rule.ACCOUNT, "hours", "hour_marks", reason=_DAY),
    _exempt(
        "models.summaries.hours._sum",
        Rule.INSERT_IN_WITH,
        *("rollups", "rollup_destinations", "rollup_codes", "country_slots", "pdd_slots"),
        *("minute_sums", "pdd_minutes"),
        reason=_SUMS,
    ),
    _exempt(
        "models.billing.ledger.post_hours", Rule.INSERT_IN_WITH, "ledger_entries", reason=_POSTING
    ),
    _exempt(
        "models.billing.ledger.post_closed", Rule.INSERT_IN_WITH, "ledger_entries", reason=_POSTING
    ),
)
