"""Posts of mod_json_cdr as FreeSWITCH sent them, and what happened in each call on the wire.

The names of the runs say how mod_json_cdr was set up.
"""

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_SAMPLES = Path(__file__).parents[2] / "records/freeswitch/samples"
PLAIN, ENCODED_VALUES = "json-plain-utc-full", "json-encoded-values-newyork"
FORM, BASE64 = "json-form-utc", "json-base64-utc"
RUNS = (PLAIN, ENCODED_VALUES, FORM, BASE64)
SWITCH = "fs-test-1"  # as every post names it
CUSTOMERS = ("ACME01", "NORD02", "C-1003")
CARRIERS = ("alpha", "beta", "gamma", "dead")
RECEIVED_AT = datetime.fromisoformat("2026-11-30T07:42:00Z")  # after every post
_MICROSECONDS = re.compile(rb"\b1796[0-9]{12}\b")


@dataclass(frozen=True)
class Post:
    channel_id: str
    content: bytes
    content_type: str

    def moved(self, microseconds: int) -> "Post":
        """The post of a call that was made later. Only for unencoded JSON."""
        content = _MICROSECONDS.sub(
            lambda at: str(int(at[0]) + microseconds).encode(), self.content
        )
        return Post(self.channel_id, content, self.content_type)


@dataclass(frozen=True)
class Call:
    """A call that was placed. `legs` are those of the SIP client: role, agent, events, result."""

    name: str
    customer: str
    legs: Sequence[dict[str, Any]]

    @property
    def channel_ids(self) -> set[str]:
        return {leg["switch_channel_id"] for leg in self.legs}

    @property
    def caller(self) -> dict[str, Any]:
        leg: dict[str, Any] = self.legs[0]
        return leg


def posts(run: str) -> list[Post]:
    """The posts of a run, in the order in which they were received."""
    return [_post(line) for line in _lines(f"{run}.jsonl.gz")]


def calls(run: str) -> list[Call]:
    return [
        Call(call["call"], call["accountcode"].split()[0], call["legs"])
        for call in _lines(f"{run}-truth.jsonl.gz")
    ]


def moved(posts: Sequence[Post], now: datetime) -> list[Post]:
    """The posts of calls that ended shortly before now."""
    delta = int((now - RECEIVED_AT).total_seconds() * 1_000_000)
    return [post.moved(delta) for post in posts]


def talk_seconds(leg: dict[str, Any]) -> float | None:
    """From the 200 to the BYE, by the clock of the SIP client; None if it was not answered."""
    answers = [event["at"] for event in leg["events"] if event["what"].startswith("200")]
    ends = [event["at"] for event in leg["events"] if event["what"].startswith("BYE")]
    if not answers or not ends:
        return None
    return (datetime.fromisoformat(ends[-1]) - datetime.fromisoformat(answers[0])).total_seconds()


def _lines(name: str) -> list[dict[str, Any]]:
    content = gzip.decompress((_SAMPLES / name).read_bytes())
    return [json.loads(line) for line in content.split(b"\n") if line]


def _post(line: dict[str, Any]) -> Post:
    raw = line.get("body_base64_of_raw_bytes")
    content = line["body"].encode() if raw is None else base64.b64decode(raw)
    headers = dict(line["headers"])
    return Post(line["path"].rpartition("uuid=")[2], content, headers["Content-Type"])
