"""How the days of any time zone are made of UTC days.

A bucket is the UTC days between the midnights that are nearest to its edges, plus or minus the
time between each edge and its midnight. All sums can be subtracted, so this is exact.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain import epoch

_DAY = timedelta(days=1)


class Difference(NamedTuple):
    """[start, end) belongs to the bucket before the edge (`sign` 1), or to the one after it (-1),
    although the UTC days say otherwise. Edge n is between the buckets n - 1 and n."""

    start: datetime
    end: datetime
    edge: int
    sign: int


def split(edges: Sequence[datetime]) -> tuple[list[datetime], list[Difference]]:
    """The midnight of each edge, and what lies between them."""
    midnights = [epoch.floor(edge + _DAY / 2, _DAY) for edge in edges]
    differences = []
    for number, (edge, midnight) in enumerate(zip(edges, midnights, strict=True)):
        if edge > midnight:
            differences.append(Difference(midnight, edge, number, 1))
        elif edge < midnight:
            differences.append(Difference(edge, midnight, number, -1))
    return midnights, differences
