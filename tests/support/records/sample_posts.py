"""Posts of one leg in every encoding of mod_json_cdr, and posts that are not valid."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

UUID = "0d1a9d65-caef-4d5e-9bbc-8521596f022b"
VARIABLES = {
    "uuid": UUID,
    "direction": "inbound",
    "accountcode": "ACME 1 + 2 %41",
    "carrier": "alpha",
    "start_stamp": "2026-11-30 07:38:59",
    "start_uepoch": "1796024339110603",
    "answer_uepoch": "1796024340110603",
    "end_uepoch": "1796024341110603",
    "digits_dialed": "47*1",
    "hangup_cause": "NORMAL_CLEARING",
    "hangup_cause_q850": "16",
}
PROFILE = {"caller_id_number": "+441632969001", "destination_number": "+441632960101"}


def document(variables: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    flow = [{"caller_profile": PROFILE, "times": {}}]
    values = VARIABLES if variables is None else variables
    return {"switchname": "edge", "variables": values, "callflow": flow} | members


def plain(variables: dict[str, Any] | None = None, **members: Any) -> bytes:
    return json.dumps(document(variables, **members), ensure_ascii=False).encode()


def with_encoded_values() -> bytes:
    return plain({name: quote(value, safe="/,") for name, value in VARIABLES.items()})


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "byte order mark and spaces": lambda content: b"\xef\xbb\xbf \r\n" + content + b"\n",
    "form": lambda content: b"cdr=" + quote(content, safe="/,").encode(),
    "form in lower case": lambda content: b"cdr=" + quote(content).replace("%7B", "%7b").encode(),
    "base64": lambda content: b"cdr=" + base64.b64encode(content),
    "base64 over lines": lambda content: b"cdr=" + base64.encodebytes(content),
    "base64 in a URL-encoded form": lambda c: b"cdr=" + quote(base64.b64encode(c)).encode(),
    "file of a form": lambda content: quote(content).encode() + b"\n",
    "file of base64": lambda content: base64.b64encode(content) + b"\n",
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in VARIABLES.items() if key != name}


GARBAGE = {
    "nothing": (b"", "BAD_JSON"),
    "a truncated post": (plain()[:-40], "BAD_JSON"),
    "a truncated form": (ENCODINGS["form"](plain())[:-41], "BAD_JSON"),
    "truncated base64": (ENCODINGS["base64"](plain())[:-42], "BAD_JSON"),
    "base64 that is not": (b"cdr=eyJ2YXJpYWJsZXMiOiB7fQ==!!", "BAD_JSON"),
    "base64 of text": (b"cdr=" + base64.b64encode(b"no cdr"), "BAD_JSON"),
    "raw NULs": (plain().replace(b"alpha", b"al\0ha"), "BAD_JSON"),
    "only NULs": (b"\0" * 1000, "BAD_JSON"),
    "deep nesting": (plain(nested=0).replace(b": 0", b": " + b"[" * 100_000), "BAD_JSON"),
    "another document": (b'{"type": "end"}', "BAD_JSON"),
    "an array": (b"[" + plain() + b"]", "BAD_JSON"),
    "variables of another type": (plain(variables=[]), "BAD_JSON"),
    "10 MB": (plain(x="x" * 10_000_000), "TOO_LONG"),
    "no id": (plain(without("uuid")), "MISSING_FIELD"),
    "no start": (plain(without("start_uepoch")), "MISSING_FIELD"),
    "no end": (plain(VARIABLES | {"end_uepoch": "0"}), "MISSING_FIELD"),
    "a start that is no time": (plain(VARIABLES | {"start_uepoch": "now"}), "BAD_TIME"),
    "an id with a NUL": (plain(VARIABLES | {"uuid": "a\0b"}), "BAD_VALUE"),
    "a long id": (plain(VARIABLES | {"uuid": "a" * 256}), "BAD_VALUE"),
    "too many offers": (
        plain(VARIABLES | {"originated_legs": "ARRAY::" + "|:".join(["a;b;c"] * 501)}),
        "TOO_MANY_OFFERS",
    ),
}
