"""How often people may try: the one table of it.

A try counts until it turns out right. Nobody can use up the tries of somebody else: what a login
has from one address is its own, and the guard over all addresses does not hold where the login has
signed in before, nor for an hour where its password was set by a link.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta

from domain import networks, refusals
from live import throttle as throttles

Bucket = throttles.Bucket

TRUSTED = timedelta(hours=1)  # after a password was set by a link


@dataclass(frozen=True, slots=True)
class Tries:
    """The buckets a try is counted in; `guards` not where `trusted` was trusted."""

    always: tuple[Bucket, ...]
    guards: tuple[Bucket, ...] = ()
    trusted: str = ""

    async def enter(self, throttle: throttles.Throttle) -> None:
        """TOO_MANY_TRIES, with the seconds to wait."""
        wait = await throttle.enter(self.always, unless_trusted=self.guards, trusted=self.trusted)
        if wait > 0:
            raise refusals.Refusal(
                "TOO_MANY_TRIES",
                "Too many tries; wait {seconds} seconds, then try again.",
                seconds=math.ceil(wait),
            )

    async def give_back(self, throttle: throttles.Throttle) -> None:
        await throttle.give_back(self.always, unless_trusted=self.guards, trusted=self.trusted)


def login(email: str, site: str | None, *, at_home: bool) -> Tries:
    """Wrong passwords. `at_home`: this login has signed in from this network before."""
    who, where = digest(email), _place(site)
    return Tries(
        (Bucket(f"address:{where}", 50, 10), Bucket(f"login:{who}:{where}", 10, 60)),
        () if at_home else (Bucket(f"login:{who}", 100, 180),),
        _trusted(who, where),
    )


def otp(email: str, site: str | None, *, at_home: bool) -> Tries:
    """Wrong second factors: of a million codes three are good, so 10 tries and 4 an hour."""
    who, where = digest(email), _place(site)
    here = (Bucket(f"otp:{who}:{where}", 10, 900),)  # trusted or not: a link proves no factor
    return (
        Tries(here)
        if at_home
        else Tries(here, (Bucket(f"otp:{who}", 10, 900),), _trusted(who, where))
    )


def own_password(email: str, site: str | None) -> Tries:
    """Wrong passwords of somebody who is signed in."""
    return Tries((Bucket(f"own:{digest(email)}:{_place(site)}", 10, 60),))


def links(site: str | None) -> Tries:
    """Asking for a link, and using one."""
    return Tries((Bucket(f"links:{_place(site)}", 20, 60),))


def reset_mails(email: str) -> Tries:
    """Mails to one address, whoever asks for them."""
    return Tries((Bucket(f"mails:{digest(email)}", 3, 1_200),))


async def trust(throttle: throttles.Throttle, email: str, site: str | None) -> None:
    name = _trusted(digest(email), _place(site))
    await throttle.trust(name, int(TRUSTED.total_seconds()))


def site_of(address: str | None) -> str | None:
    return None if address is None else networks.site(address)


def _trusted(who: str, where: str) -> str:
    return f"trusted:{who}:{where}"


def _place(site: str | None) -> str:
    return site or "unknown"


def digest(email: str) -> str:
    """So that no address lies in Redis, and a long one is as short as others."""
    return hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()[:32]
