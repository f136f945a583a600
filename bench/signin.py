"""Measures whether the time of a refusal reveals a known e-mail address, and how many wrong
passwords are compared.

The web process is the real one; the client addresses are those of a trusted proxy. Known and
unknown e-mail addresses alternate, each try from a different address. It prints medians and
their ratio (goal: 0.9 to 1.1). Then attackers send wrong passwords, each right after the
previous response, while the owner signs in from a known address.

Run: `./callboard bench signin [PAIRS]`.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2

from bench import ingest
from domain.identity import callers
from models import db
from models.identity import accounts, logins, staff
from resolvers.identity import sign_in
from runtime import clock, embedded

LOGINS = 50
PASSWORD = "correct horse battery"
LOGIN = """mutation L($i: LoginInput!) { login(input: $i) {
    ... on Session { token } ... on Refusal { code } } }"""
RESET = """mutation R($i: RequestPasswordResetInput!) { requestPasswordReset(input: $i) {
    __typename } }"""


class Portal:
    def __init__(self, port: int, client: httpx2.AsyncClient) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"
        self._client = client

    async def ask(self, query: str, address: str, **input: str) -> dict[str, Any]:
        body = {"query": query, "variables": {"i": input}}
        answer = await self._client.post(self._url, json=body, headers={"X-Forwarded-For": address})
        (data,) = answer.json()["data"].values()
        results: dict[str, Any] = data
        return results

    async def login(self, email: str, address: str, password: str = "not the password") -> str:
        """A refusal's code, or `in`."""
        answer = await self.ask(LOGIN, address, email=email, password=password)
        return str(answer.get("code", "in"))


def addresses(network: int) -> Iterator[str]:
    return (f"10.{network}.{n // 250}.{1 + n % 250}" for n in count())


async def prepare() -> list[str]:
    await db.migrate()
    now = clock.now()
    account = await accounts.insert("Bench", now)
    password_hash = await sign_in.hash_password(PASSWORD)
    emails = [f"person-{n}@bench.example" for n in range(LOGINS)]
    for email in emails:
        login_id = await logins.insert(account.id, email, password_hash, now)
        await staff.insert(account.id, login_id, "A person", callers.Role.SUPPORT, now)
    return emails


async def in_turn(
    name: str, pairs: int, emails: list[str], ask: Callable[[str], Awaitable[object]]
) -> None:
    times: dict[bool, list[float]] = {True: [], False: []}
    for n in range(pairs):
        for is_known in (n % 2 == 0, n % 2 == 1):
            email = emails[n % LOGINS] if is_known else f"nobody-{n % LOGINS}@bench.example"
            began = time.perf_counter()
            await ask(email)
            times[is_known].append(time.perf_counter() - began)
    for is_known, seconds in times.items():
        tenths = quantiles(seconds, n=10)
        print(
            f"{name}, {'known' if is_known else 'unknown':8} {1000 * median(seconds):7.1f} ms"
            f"   (a tenth below {1000 * tenths[0]:.1f}, a tenth above {1000 * tenths[-1]:.1f})"
        )
    print(f"{name}: known / unknown = {median(times[True]) / median(times[False]):.3f}\n")


async def attack(
    name: str, portal: Portal, tries: list[tuple[str, str]], owner: tuple[str, str]
) -> None:
    """Eight concurrent senders; the owner signs in a second after they started."""
    answers: Counter[str] = Counter()
    left = iter(tries)

    async def send() -> None:
        for email, address in left:
            answers[await portal.login(email, address)] += 1

    async def come() -> tuple[str, float]:
        await asyncio.sleep(1)
        began = time.perf_counter()
        return await portal.login(*owner, PASSWORD), time.perf_counter() - began

    began = time.perf_counter()
    senders = asyncio.gather(*(send() for _ in range(8)))
    outcome, seconds = await come()
    await senders
    print(
        f"{name}: {len(tries)} wrong passwords in {time.perf_counter() - began:.1f} s,"
        f" {answers['WRONG_CREDENTIALS']} compared, {dict(answers)};"
        f" the owner from home: {outcome}, after {seconds:.2f} s"
    )


@asynccontextmanager
async def open_portal() -> Any:
    with tempfile.TemporaryDirectory() as folder, embedded.servers(Path(folder)) as urls:
        await db.open_database(urls.database_url)
        emails = await prepare()
        try:
            async with (
                ingest.web(urls.database_url, urls.redis_url) as port,
                httpx2.AsyncClient(timeout=60) as client,
            ):
                yield emails, Portal(port, client)
        finally:
            await db.close_database()


async def main(pairs: int) -> None:
    async with open_portal() as (emails, portal):
        everywhere, home = addresses(1), "203.0.113.1"
        victims = emails[:3]
        for email in victims:
            assert await portal.login(email, home, PASSWORD) == "in"
        await in_turn("login", pairs, emails, lambda email: portal.login(email, next(everywhere)))
        await in_turn(
            "reset",
            min(pairs, 2 * LOGINS),
            emails,
            lambda email: portal.ask(RESET, next(everywhere), email=email),
        )
        sources = [(victims[0], "10.9.0.1")] * 500
        await attack("one e-mail from one address", portal, sources, (victims[0], home))
        others = [(f"guess-{n}@bench.example", "10.9.0.2") for n in range(500)]
        await attack("500 e-mails from one address", portal, others, (victims[1], home))
        far = addresses(10)
        many = [(victims[2], address) for address in (next(far) for _ in range(250))] * 2
        await attack("one e-mail from 250 addresses", portal, many, (victims[2], home))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
