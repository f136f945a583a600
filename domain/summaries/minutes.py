"""How long sums by minute are stored."""

from datetime import datetime, timedelta

SHOWN_FOR = timedelta(days=30)  # in graphs
# A rebuild of an hour stores no minutes that the removal has already reached.
REMOVED_AFTER = SHOWN_FOR + timedelta(days=1)


def are_stored(hour_end: datetime, now: datetime) -> bool:
    """Whether a rebuild of an hour that ends then stores its minutes: a graph can show some."""
    return hour_end > now - SHOWN_FOR
