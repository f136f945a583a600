"""Checks that all permission tests share."""

import json
from typing import Any

import httpx2

from tests.support.api import world
from tests.support.api.callers import Caller
from tests.support.api.world import Who

NOTHING = {"CUSTOMER_REQUIRED", "FORBIDDEN", "NO_SESSION", "NOT_FOUND", "UNAUTHENTICATED"}
BATCH = 10
Operation = tuple[str, dict[str, Any]]


async def answers_of(
    client: httpx2.AsyncClient, caller: Caller, operations: list[Operation]
) -> list[dict[str, Any]]:
    """The answers, without what each has cost."""
    answers: list[dict[str, Any]] = []
    for first in range(0, len(operations), BATCH):
        batch = [
            {"query": query, "variables": variables}
            for query, variables in operations[first : first + BATCH]
        ]
        answer = await client.post(f"{caller.url}/graphql", json=batch, headers=caller.headers)
        answers += [
            {key: value for key, value in part.items() if key != "extensions"}
            for part in answer.json()
        ]
    return answers


async def by_case(
    client: httpx2.AsyncClient, caller: Caller, query: str, cases: dict[str, str], **more: str
) -> dict[str, dict[str, Any]]:
    """The query's answers with the id of each case as `$id`."""
    operations = [(query, {"id": id, **more}) for id in cases.values()]
    return dict(zip(cases, await answers_of(client, caller, operations), strict=True))


def code_of(answer: dict[str, Any]) -> str | None:
    errors = answer.get("errors")
    return errors[0]["extensions"]["code"] if errors else None


def without(answer: dict[str, Any], id: str) -> str:
    return json.dumps(answer).replace(id, "<id>")


def cases_of(ids: world.Ids) -> dict[str, str]:
    return {case: id for case, id in vars(ids).items() if id is not None}


def require_kept(place: str, who: Who, answers: dict[str, dict[str, Any]]) -> None:
    """Fails if an answer contains a name of data that the caller cannot see."""
    text = json.dumps(list(answers.values()))
    assert "INTERNAL" not in text, f"{place}: {text}"
    assert world.FOREIGN not in text, f"{place}: {text}"
    assert not who.restricted or world.OTHERS not in text, f"{place}: {text}"


def is_shown(answer: dict[str, Any], field: str | None) -> bool:
    if answer.get("errors") or answer.get("data", {}).get("it") is None:
        return False
    return field is None or answer["data"]["it"][field] is not None
