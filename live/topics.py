"""Names of the topics of `live.bus`."""

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


def channel_minutes(account_id: int) -> str:
    """Minutes of the history of active calls, of all customers."""
    return f"{keys.prefix(account_id)}channel-minutes"


def facts(account_id: int, customer_id: int | None, kind: Kind) -> str:
    """Facts of one kind, of a customer, or (None) of the whole account."""
    return f"{keys.prefix(account_id)}facts:{kind}:{keys.scope(customer_id)}"


def captions(account_id: int) -> str:
    """Names of carriers and channel limits of customers, which clients see with live channels."""
    return f"{keys.prefix(account_id)}captions"
