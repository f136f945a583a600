"""To Callboard by HTTP: in order, in bounded batches, each repeated until it is acknowledged."""

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec

LARGEST_BATCH = 500
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_TRY_AGAIN = (408, 429, *range(500, 600))
_KEPT_REFUSALS = 10

Pause = Callable[[float], Any]
Tell = Callable[[str], None]


class RejectedError(Exception):
    """Callboard will never take this, however often it is repeated (a wrong key, say)."""


@dataclass(slots=True)
class Answers:
    """What Callboard answered, added up."""

    requests: int = 0
    retries: int = 0
    snapshots: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> None:
        self.requests += 1
        for name in ("accepted", "duplicates", "corrected"):
            self.counts[name] += answer[name]
        for name in ("held", "refused"):
            self.counts[name] += len(answer[name])
        room = _KEPT_REFUSALS - len(self.refusals)
        self.refusals += answer["refused"][:room]


class Delivery:
    """One connection of one switch. `in_trouble` is told once a batch why it is repeated."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        in_trouble: Tell = lambda why: None,
        *,
        sleep: Pause = asyncio.sleep,
    ) -> None:
        self._client = client
        self._in_trouble = in_trouble
        self._sleep = sleep
        self.answers = Answers()

    async def calls(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        """Posts up to `LARGEST_BATCH` events; returns Callboard's answer once they are durable."""
        answer = await self._post("/ingest/calls", batch)
        self.answers.add(answer)
        return answer

    async def snapshot(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        answer = await self._post("/ingest/snapshot", snapshot)
        self.answers.snapshots += 1
        return answer

    async def _post(self, path: str, content: object) -> dict[str, Any]:
        body = gzip.compress(msgspec.json.encode(content), compresslevel=1)
        pause = _FIRST_PAUSE
        while True:
            response = await self._try(path, body)
            if response is not None and response.status_code == 200:
                answer: dict[str, Any] = response.json()
                return answer
            if response is not None and response.status_code not in _TRY_AGAIN:
                raise RejectedError(
                    f"{path} answered {response.status_code}: {response.text[:300]}"
                )
            if pause == _FIRST_PAUSE:
                self._in_trouble(
                    "does not answer" if response is None else f"answered {response.status_code}"
                )
            self.answers.retries += 1
            await self._sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _try(self, path: str, body: bytes) -> httpx2.Response | None:
        try:
            return await self._client.post(path, content=body)
        except httpx2.TransportError:
            return None


@asynccontextmanager
async def connect(
    url: str, key: str, in_trouble: Tell = lambda why: None
) -> AsyncIterator[Delivery]:
    """Delivers to the Callboard at `url` with an API key of scope INGEST."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=10) as client:
        yield Delivery(client, in_trouble)
