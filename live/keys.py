"""Every Redis key of the live state, and of tries that are counted before the account is known.

All keys of an account begin with its prefix, whose hash tag keeps them on one node of a cluster.
A scope is a customer's id, or 0 for the whole account. Carrier 0 means "no carrier". Processes of
two versions may share a Redis, so a pattern never changes its meaning.
"""

WHOLE_ACCOUNT = 0

# Scripts take their keys from this table: {name: pattern under the prefix}.
PATTERNS = {
    "switches": "switches",  # set of switch names
    "switch": "switch:%s",  # MessagePack map: boot, high, ahead, hole, wanted, renewed, past, ...
    "calls": "calls:%s",  # hash of a switch: call id -> record (active or a tombstone)
    "up": "up:%s",  # sorted set of a switch: active call ids by the µs of their last event
    "gone": "gone:%s",  # sorted set of a switch: tombstones by the µs of their creation
    "standing": "standing:%.0f:%.0f",  # set of a scope and carrier: switch NUL call id
    "carriers": "carriers:%.0f",  # set of a scope: carriers that may have active calls
    "customers": "customers",  # set of customers that may have active calls
    "gauge": "gauge:%.0f",  # hash of a scope: sequence, figures (as last read or published)
    "attempts": "attempts:%.0f:%.0f",  # counter of a scope and second; expires
    "channels": "channels:%.0f",  # topic of a scope's gauge
    "bucket": "bucket:%s",  # hash of a budget: level (cost that has not leaked yet), at (µs)
    "ended": "ended:%.0f",  # hash of a scope: sums of ended attempts by second and minute
    "shown": "shown:%.0f:%.0f",  # hash of a scope and window length: sequence, figures; expires
    "kept": "kept",  # hash: run (of Redis) that was seeded; since, missed: µs of lost events
    "owing": "owing",  # sorted set: switches that have to report, by the end (µs) of the wait
    "beats": "beats",  # sorted set: switches with calls, by the µs from which they are silent
    "window": "window",  # hash: run (of Redis), nonce, busy (µs), filled (only if complete)
    "stats": "stats:%.0f",  # topic of a scope's sliding window
}


def scope(customer_id: int | None) -> int:
    """The scope of a customer, or (None) of the account."""
    return WHOLE_ACCOUNT if customer_id is None else customer_id


def prefix(account_id: int) -> str:
    return f"live:{{a{account_id}}}:"


def tries(name: str) -> str:
    """A key of `live.throttle`. All have one hash tag, because a script reads several at once."""
    return f"cb:{{tries}}:{name}"


def lua() -> str:
    """The table as Lua source."""
    entries = ", ".join(f"{name} = '{pattern}'" for name, pattern in PATTERNS.items())
    return f"local PATTERNS = {{{entries}}}\n"
