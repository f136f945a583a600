"""The entrances through which values of callers arrive; each returns a code for every value.

A code is that of the refusal, "INTERNAL", or None of a value that is accepted. An entrance is one
entry of ENTRANCES; the tables below name the argument for each kind.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import typer
from typer.testing import CliRunner

from server.cli import reconcile
from tests.support.api.callers import Caller

Codes = list[str | None]
_UNREADABLE = {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST"}
UNREADABLE = "UNREADABLE"  # refused before its kind was of any interest


@dataclass(frozen=True)
class Callers:
    """Of one account that has the customer `acme`."""

    switch: Caller
    owner: Caller
    now: str
    customer: str  # its id


# The fields of an event or of a call of a snapshot, by the kind.
_EVENTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "time": lambda value: {"setup_at": value},
    "amount": lambda value: {"charge": value},
    "text": lambda value: {"source": value},
}
_CALLS: dict[str, Callable[[str], dict[str, Any]]] = {
    "time": lambda value: {"setup_at": value},
    "text": lambda value: {"carrier": value},
}
# An operation, with $v for the value and CUSTOMER for the id, and the type of the variable.
_OPERATIONS: dict[str, tuple[str, str]] = {
    "time": ('{ reconciliation(customerId: "x", from: $v, to: $v) { balanced } }', "DateTime!"),
    "signed amount": (
        'mutation { updateCustomer(input: { customerId: "x", debitLimit: $v })'
        " { __typename ... on Refusal { code } } }",
        "Decimal!",
    ),
    "time zone": (
        'mutation { configureSwitch(input: { reference: "x", timeZone: $v })'
        " { __typename ... on Refusal { code } } }",
        "String",
    ),
    "id": (
        'mutation { updateCustomer(input: { customerId: $v, name: "Acme" })'
        " { __typename ... on Refusal { code } } }",
        "ID!",
    ),
    "e-mail": (
        'mutation { updateCustomer(input: { id: "CUSTOMER", billingEmail: $v })'
        " { __typename ... on Refusal { code } } }",
        "String",
    ),
    "phone number": (
        'mutation { updateCustomer(input: { id: "CUSTOMER", phone: $v })'
        " { __typename ... on Refusal { code } } }",
        "String",
    ),
    "text": ("{ auditLog(first: 1, filter: { action: $v }) { edges { cursor } } }", "String"),
}


async def post(caller: Caller, path: str, content: bytes) -> Any:
    async with httpx2.AsyncClient(timeout=60) as client:
        response = await client.post(f"{caller.url}{path}", content=content, headers=caller.headers)
    assert response.status_code == 200, response.text
    return response.json()


def _end(kind: str, value: str, number: int, now: str) -> dict[str, Any]:
    return {
        "type": "end",
        "call_id": f"{kind} {number}",
        "switch": "edge-1",
        "customer": "acme",
        "source": "+441632960000",
        "destination": "+15550100",
        "setup_at": now,
        "end_at": now,
        "currency": "EUR",
    } | _EVENTS[kind](value)


def _codes(answer: Any, count: int) -> Codes:
    codes: Codes = [None] * count
    for item in answer["refused"]:
        codes[item["index"]] = UNREADABLE if item["code"] == "BAD_JSON" else item["code"]
    return codes


async def _array(callers: Callers, kind: str, values: Sequence[str]) -> Codes:
    events = [_end(kind, value, n, callers.now) for n, value in enumerate(values)]
    content = json.dumps(events).encode()
    return _codes(await post(callers.switch, "/ingest/calls", content), len(values))


async def _lines(callers: Callers, kind: str, values: Sequence[str]) -> Codes:
    events = [_end(kind, value, n, callers.now) for n, value in enumerate(values)]
    content = "\n".join(map(json.dumps, events)).encode()
    return _codes(await post(callers.switch, "/ingest/calls", content), len(values))


async def _snapshot(callers: Callers, kind: str, values: Sequence[str]) -> Codes:
    calls = [
        {"call_id": f"{n}", "customer": "acme"} | _CALLS[kind](value)
        for n, value in enumerate(values)
    ]
    content = json.dumps({"switch": "edge-2", "at": callers.now, "calls": calls}).encode()
    return _codes(await post(callers.switch, "/ingest/snapshot", content), len(values))


async def _variables(callers: Callers, kind: str, values: Sequence[str]) -> Codes:
    operation, type_ = _OPERATIONS[kind]
    operation = operation.replace("CUSTOMER", callers.customer)
    name = "mutation" if operation.startswith("mutation") else "query"
    query = f"{name} Q($v: {type_}) {operation.removeprefix('mutation ')}"
    return [await operate(callers.owner, query, {"v": value}) for value in values]


async def _literals(callers: Callers, kind: str, values: Sequence[str]) -> Codes:
    operation = _OPERATIONS[kind][0].replace("CUSTOMER", callers.customer)
    return [
        await operate(callers.owner, operation.replace("$v", json.dumps(value)), {})
        for value in values
    ]


async def operate(caller: Caller, query: str, variables: dict[str, Any]) -> str | None:
    while True:
        answer = await caller.send(query, **variables)
        if "errors" in answer:
            extensions = answer["errors"][0]["extensions"]
            if extensions["code"] == "RATE_LIMITED":
                await asyncio.sleep(extensions.get("retryAfter", 0.2))  # as the answer states
                continue
            return UNREADABLE if extensions["code"] in _UNREADABLE else extensions["code"]
        results = [result for result in answer["data"].values() if isinstance(result, dict)]
        return next((result["code"] for result in results if "code" in result), None)


_ARGUMENTS = {
    "time": ("--account=1", "--from={}", "--to=never"),
    "account id": ("--account={}", "--to=2026-11-30", "--from=never"),
}


async def _command_line(callers: Callers, kind: str, values: Sequence[str]) -> Codes:
    """The value that is refused first, or "never", the value behind it."""
    app, runner, codes = typer.Typer(), CliRunner(), Codes()
    app.command()(reconcile.reconcile)
    for value in values:
        arguments = [argument.format(value) for argument in _ARGUMENTS[kind]]
        result = await asyncio.to_thread(runner.invoke, app, arguments)
        assert result.exit_code == 2, (value, result.output, result.exception)
        text = " ".join(result.output.split())
        last = arguments[-1].partition("=")[0]
        codes.append(None if f"'{last}'" in text or f"for {last}" in text else "REFUSED")
    return codes


Entrance = Callable[[Callers, str, Sequence[str]], Awaitable[Codes]]
ENTRANCES: dict[str, tuple[Entrance, frozenset[str]]] = {
    "ingest array": (_array, frozenset(_EVENTS)),
    "ingest NDJSON": (_lines, frozenset(_EVENTS)),
    "snapshot": (_snapshot, frozenset(_CALLS)),
    "GraphQL variable": (_variables, frozenset(_OPERATIONS)),
    "GraphQL literal": (_literals, frozenset(_OPERATIONS)),
    "command line": (_command_line, frozenset(_ARGUMENTS)),
}
