"""A switch that posts to the ingest routes."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2

from domain.identity import tokens
from models.identity import credentials
from tests.support.records import sample_records

SECRET = "s" * 43


@dataclass
class Switch:
    """Posts as a switch does; every instant of its calls follows from `now`."""

    client: httpx2.AsyncClient
    account_id: int
    customer_id: int
    now: datetime
    key: str

    async def post(
        self, content: bytes, path: str = "/ingest/calls", **headers: str
    ) -> httpx2.Response:
        authorised = {"Authorization": f"Bearer {self.key}"} | headers
        return await self.client.post(path, content=content, headers=authorised)

    async def send(self, *events: dict[str, Any]) -> dict[str, Any]:
        """The answer to a batch that is accepted."""
        answer = await self.post(json.dumps(events).encode())
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        total = sum(body[name] for name in ("accepted", "duplicates", "corrected"))
        assert total + len(body["held"]) + len(body["refused"]) == len(events)
        return body

    async def snapshot(self, **values: Any) -> dict[str, Any]:
        content = {"switch": "edge-1", "at": self.at(0), "calls": []} | values
        answer = await self.post(json.dumps(content).encode(), "/ingest/snapshot")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def at(self, seconds: float) -> str:
        return (self.now + timedelta(seconds=seconds)).isoformat()

    def start(self, call_id: str = "a", **changes: Any) -> dict[str, Any]:
        return self._event("start", call_id) | {"at": self.at(-60)} | changes

    def end(self, call_id: str = "a", **changes: Any) -> dict[str, Any]:
        """An end answered after 10 s, with 50 s of talk."""
        record = {
            "source": "+441632960000",
            "destination": "+15550100",
            "setup_at": self.at(-60),
            "ringing_at": self.at(-58),
            "answer_at": self.at(-50),
            "end_at": self.at(0),
            "sip_code": 200,
        }
        return self._event("end", call_id) | record | changes

    def beat(self, active: int, **changes: Any) -> dict[str, Any]:
        return {"type": "beat", "switch": "edge-1", "active": active, "at": self.at(0), **changes}

    def _event(self, type: str, call_id: str) -> dict[str, Any]:
        return {
            "type": type,
            "call_id": call_id,
            "leg": 0,
            "switch": "edge-1",
            "customer": "acme",
            "carrier": "carrier-a",
        }

    async def quarantined(self) -> Sequence[tuple[Any, ...]]:
        return await sample_records.rows(
            "SELECT code, payload FROM quarantine WHERE account_id = $1 ORDER BY id",
            self.account_id,
        )


async def issue_key(
    account_id: int, scopes: Sequence[str] = ("INGEST",), customer_id: int | None = None
) -> str:
    key = await credentials.insert_key(
        account_id,
        credentials.NewKey(
            name="switch", scopes=scopes, customer_id=customer_id, secret_hash=tokens.digest(SECRET)
        ),
        sample_records.NOW,
    )
    return str(tokens.Token(account_id, tokens.TokenKind.KEY, key.id, SECRET))


def compress(content: bytes) -> bytes:
    return gzip.compress(content)
