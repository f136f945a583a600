"""Facts: events that are published once, numbered and stored.

Of a gauge, only the latest state is published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """All kinds. A new kind needs an entry here and a subscription."""

    INVOICE_ISSUED = "INVOICE_ISSUED"  # subject: the invoice
    CHECKLIST_CHANGED = "CHECKLIST_CHANGED"  # detail: {"open": {code: count}}
    ALERT = "ALERT"  # subject: its rule; detail: {"kind": …, "value": a decimal, or null}


@dataclass(frozen=True, slots=True)
class Fact:
    """`number` is its position in its stream, consecutive from 1."""

    number: int
    at: datetime
    customer_id: int | None
    subject_id: int | None
    detail: Mapping[str, Any]
