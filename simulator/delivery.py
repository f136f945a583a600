"""Sends events to Callboard in order, in batches that are repeated until acknowledged."""

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec

MAX_BATCH_EVENTS = 500
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.1, 2.0
_RETRY_STATUSES = (408, 429, *range(500, 600))
_MAX_REFUSALS = 10

Sleep = Callable[[float], Any]
Report = Callable[[str], None]


class RejectedError(Exception):
    """Callboard will never accept the request, for example because of a wrong key."""


@dataclass(slots=True)
class Answers:
    """The sums of Callboard's answers."""

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
        space = _MAX_REFUSALS - len(self.refusals)
        self.refusals += answer["refused"][:space]


class Delivery:
    """The connection of a switch. Calls `on_failure` with the first failure of each batch."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        on_failure: Report = lambda reason: None,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._on_failure = on_failure
        self._sleep = sleep
        self.answers = Answers()

    async def send_events(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        """Posts up to `MAX_BATCH_EVENTS` events. Returns the answer once they are durable."""
        answer = await self._post("/ingest/calls", batch)
        self.answers.add(answer)
        return answer

    async def send_snapshot(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        answer = await self._post("/ingest/snapshot", snapshot)
        self.answers.snapshots += 1
        return answer

    async def _post(self, path: str, content: object) -> dict[str, Any]:
        body = gzip.compress(msgspec.json.encode(content), compresslevel=1)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            response = await self._try(path, body)
            if response is not None and response.status_code == 200:
                answer: dict[str, Any] = response.json()
                return answer
            if response is not None and response.status_code not in _RETRY_STATUSES:
                raise RejectedError(
                    f"{path} answered {response.status_code}: {response.text[:300]}"
                )
            if pause == _FIRST_PAUSE_SECONDS:
                self._on_failure(
                    "does not answer" if response is None else f"answered {response.status_code}"
                )
            self.answers.retries += 1
            await self._sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    async def _try(self, path: str, body: bytes) -> httpx2.Response | None:
        try:
            return await self._client.post(path, content=body)
        except httpx2.TransportError:
            return None


@asynccontextmanager
async def connect(
    url: str, key: str, on_failure: Report = lambda reason: None
) -> AsyncIterator[Delivery]:
    """A delivery to the Callboard at `url`, with an API key of the scope INGEST."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=10) as client:
        yield Delivery(client, on_failure)
