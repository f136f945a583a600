"""Time zone names of the IANA database, from the package tzdata.

A directory of zone files also contains `localtime`, `posixrules`, `right/…` and the like.
"""

from functools import cache
from importlib import resources

_NOT_A_PLACE = "Factory"  # stands for "the local time zone must be set"


def find(name: str) -> str | None:
    """The name as the tz database spells it, ignoring case; None if there is none.

    A link name (US/Eastern) stays a link name.
    """
    return _names().get(name.lower()) if name.isascii() else None


@cache
def _names() -> dict[str, str]:
    names = resources.files("tzdata").joinpath("zones").read_text().split()
    return {name.lower(): name for name in names if name != _NOT_A_PLACE}
