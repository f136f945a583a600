"""Every Redis key of the live picture, and of what is tried before an account is known.

All keys of an account begin with its prefix, whose hash tag keeps them on one node of a cluster.
A scope is a customer's id, or 0 for the whole account; a carrier of 0 stands for "none".
"""

WHOLE_ACCOUNT = 0

# Scripts name their keys through this table: {name: pattern under the prefix}.
PATTERNS = {
    "switches": "switches",  # set of switch names
    "switch": "switch:%s",  # MessagePack map: boot, high, ahead, hole, wanted, renewed, past, ...
    "calls": "calls:%s",  # hash of a switch: call id -> record (up or a tombstone)
    "up": "up:%s",  # sorted set of a switch: call id by the µs of its last news
    "gone": "gone:%s",  # sorted set of a switch: tombstones by the µs they were left at
    "standing": "standing:%.0f:%.0f",  # set of a scope and carrier: switch NUL call id
    "carriers": "carriers:%.0f",  # set of a scope: carriers that may have calls
    "gauge": "gauge:%.0f",  # hash of a scope: sequence, figures (attempts in the 10 s last shown)
    "attempts": "attempts:%.0f:%.0f",  # counter of a scope and second; expires
    "channels": "channels:%.0f",  # topic of a scope's gauge
    "bucket": "bucket",  # hash: level (cost spent and not yet leaked), at (µs)
    "ended": "ended:%.0f",  # hash of a scope: seconds and minutes -> sums of what ended in them
    "shown": "shown:%.0f:%.0f",  # hash of a scope and window: sequence, figures; expires
    "kept": "kept",  # hash: run (of Redis), since (µs): when it was first seen to hold the picture
    "window": "window",  # hash: run (of Redis), nonce, busy, filled; only if all is counted
    "stats": "stats:%.0f",  # topic: what ended in a scope has changed
}


def scope(customer_id: int | None) -> int:
    return WHOLE_ACCOUNT if customer_id is None else customer_id


def prefix(account_id: int) -> str:
    return f"live:{{a{account_id}}}:"


def tries(name: str) -> str:
    """Of what came before anybody was known: one hash tag, since buckets are asked together."""
    return f"cb:{{tries}}:{name}"


def lua() -> str:
    """The table as Lua source."""
    entries = ", ".join(f"{name} = '{pattern}'" for name, pattern in PATTERNS.items())
    return f"local PATTERNS = {{{entries}}}\n"
