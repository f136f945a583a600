"""Names of what can be listened to."""

from domain.facts import Kind
from live import keys


def channels(account_id: int, customer_id: int | None) -> str:
    """Live channels of a customer, or (None) of the whole account."""
    return keys.prefix(account_id) + keys.PATTERNS["channels"] % keys.scope(customer_id)


def stats(account_id: int, customer_id: int | None) -> str:
    """The sliding window of a customer, or (None) of the whole account."""
    return keys.prefix(account_id) + keys.PATTERNS["stats"] % keys.scope(customer_id)


def rows(account_id: int, customer_id: int) -> str:
    """Summary rows of a customer."""
    return f"{keys.prefix(account_id)}rows:{customer_id}"


def facts(account_id: int, customer_id: int | None, kind: Kind) -> str:
    """A kind of facts of a customer, or (None) of the whole account."""
    return f"{keys.prefix(account_id)}facts:{kind}:{keys.scope(customer_id)}"
