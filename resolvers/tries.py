"""How often people may try: the one table of it.

A try counts until it turns out right. Nobody can use up the tries of somebody else: what a login
has from one address is its own, and the guard over all addresses does not hold where the login has
signed in before, nor for an hour where its password was set by a link. So no name of a bucket is a
constant: a request whose address is unknown is in no bucket of addresses, because all such requests
would be in the same one.
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
    """Wrong passwords. `email` is what was entered, an e-mail address or not. `at_home`: this login
    has signed in from this network before."""
    who = digest(email)
    guard = Bucket(f"login:{who}", 100, 180)
    if site is None:
        return Tries((guard,))
    here = (Bucket(f"address:{site}", 50, 10), Bucket(f"login:{who}:{site}", 10, 60))
    return Tries(here, () if at_home else (guard,), _trusted(who, site))


def otp(email: str, site: str | None, *, at_home: bool) -> Tries:
    """Wrong second factors: of a million codes three are good, so 10 tries and 4 an hour."""
    who = digest(email)
    guard = Bucket(f"otp:{who}", 10, 900)
    if site is None:
        return Tries((guard,))
    here = (Bucket(f"otp:{who}:{site}", 10, 900),)  # trusted or not: a link proves no factor
    return Tries(here) if at_home else Tries(here, (guard,), _trusted(who, site))


def own_password(email: str, site: str | None) -> Tries:
    """Wrong passwords of somebody who is signed in."""
    return Tries((Bucket(f"own:{digest(email)}:{site or ''}", 10, 60),))


def links(site: str | None) -> Tries:
    """Asking for a link, and using one."""
    return Tries(() if site is None else (Bucket(f"links:{site}", 20, 60),))


def reset_mails(email: str) -> Tries:
    """Mails to one address, whoever asks for them."""
    return Tries((Bucket(f"mails:{digest(email)}", 3, 1_200),))


async def trust(throttle: throttles.Throttle, email: str, site: str | None) -> None:
    """Unless the address is unknown: then everybody's is."""
    if site is not None:
        await throttle.trust(_trusted(digest(email), site), int(TRUSTED.total_seconds()))


def site_of(address: str | None) -> str | None:
    return None if address is None else networks.site(address)


def _trusted(who: str, site: str) -> str:
    return f"trusted:{who}:{site}"


def digest(email: str) -> str:
    """So that no address lies in Redis, and a long one is as short as others."""
    return hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()[:32]
