"""Names of what can be listened to."""

from live import keys


def channels(account_id: int, customer_id: int | None) -> str:
    """Live channels of a customer, or (None) of the whole account."""
    scope = keys.WHOLE_ACCOUNT if customer_id is None else customer_id
    return keys.prefix(account_id) + keys.PATTERNS["channels"] % scope


def rows(account_id: int, customer_id: int) -> str:
    """Summary rows of a customer."""
    return f"{keys.prefix(account_id)}rows:{customer_id}"
