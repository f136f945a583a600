"""The customer that an argument names, which a caller of only one customer may leave out."""

from domain import refusals
from domain.identity import callers
from schema.engine import ids

LEFT_OUT = "May be left out by a contact, and by a key made for one customer."


def optional(caller: callers.Caller, id: str | None) -> int | None:
    """Without an id: the caller's only customer, or None if the caller sees the whole account."""
    if id is None:
        return caller.customer_id
    return ids.decode_id(id, "Customer", caller.account_id)


def required(caller: callers.Caller, id: str | None, field: str = "customerId") -> int:
    """Without an id: the caller's only customer; CUSTOMER_REQUIRED if it sees the account."""
    customer_id = optional(caller, id)
    if customer_id is None:
        raise refusals.Refusal(
            "CUSTOMER_REQUIRED",
            "Set {argument}: this login sees every customer of the account.",
            field,
            argument=field,
        )
    return customer_id
