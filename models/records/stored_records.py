"""Records as rows of `call_records`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from domain.records import calls
from models.records import record_store

# Orders calls set up in the same microsecond: a 63-bit number.
TIE = f"(hashtextextended(concat_ws(' ', switch, call_id, leg), 0) & {2**63 - 1})"
Position: TypeAlias = tuple[datetime, int]  # the setup of a call, and its tie-breaker

_FIELDS = [name for name in record_store.COLUMNS if name != "account_id"]
COLUMNS = ", ".join(_FIELDS)


def record_of(row: Mapping[str, Any]) -> calls.Record:
    """The record of a row with `COLUMNS`, without its digest."""
    values = {name: row[name] for name in _FIELDS}
    address = row["source_ip"]
    return calls.Record(
        **values | {"digest": b"", "source_ip": None if address is None else str(address)}
    )
