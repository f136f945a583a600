"""Everybody listens to everything there is: to his own, to others' and to nobody's."""

from collections import Counter
from typing import Any

import asked
import judging
from sockets import hear, say, signed_in, subscribe
from who_may import SUBSCRIPTIONS
from world import Who, World


async def test_a_subscription_tells_who_may_alone_and_a_foreign_id_is_none(
    everything: World, counted: Counter[str]
) -> None:
    for who in everything.everybody:
        heard: dict[str, tuple[str, str, str]] = {}
        async with signed_in(who.asks.url, who.asks.token) as socket:
            for name, definition in asked.type_of("Subscription").fields.items():
                for case, id in {"": None, **judging.cases_of(everything.ids["Customer"])}.items():
                    slot = None if id is None else "customerId"
                    if id is None and asked.required(definition.args["customerId"]):
                        continue
                    text = asked.Reading(everything.ids).field(
                        asked.type_of("Subscription"), name, slot
                    )
                    head = "subscription S" if id is None else "subscription S($id: ID!)"
                    key = f"{name}-{case}"
                    heard[key] = (name, case, id or "")
                    variables = {} if id is None else {"variables": {"id": id}}
                    await say(socket, subscribe(key, f"{head} {{ it: {text} }}", **variables))
            told = await _first_of_each(socket, set(heard))
        _judge_told(who, heard, told)
        counted["subscriptions"] += len(heard)


async def _first_of_each(socket: Any, ids: set[str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    while set(told) < ids:
        message = await hear(socket)
        if message["type"] in ("next", "error"):
            told.setdefault(message["id"], message)
    return told


def _judge_told(who: Who, heard: dict[str, tuple[str, str, str]], told: dict[str, Any]) -> None:
    answers: dict[str, dict[str, str]] = {}
    for key, (name, case, id) in heard.items():
        place = f"{name}({case}) as {who.name}"
        answer = {"payload": told[key]["payload"]}
        refused = told[key]["type"] == "error" or "errors" in told[key]["payload"]
        line = SUBSCRIPTIONS[name]
        mine = case in ("", "own") or (case == "other" and not who.restricted)
        allowed = mine and line.allows(who.may, names_customer=case != "")
        assert refused is not allowed, f"{place}: {told[key]}"
        judging.require_kept(place, who, {case: answer})
        if refused:
            answers.setdefault(name, {})[case] = judging.without(answer, id) if id else ""
    for name, by_case in answers.items():
        for case in {"other", "foreign", "void"} & set(by_case):
            if case != "other" or who.restricted:
                assert by_case[case] == by_case["none"], f"{name} as {who.name}: {by_case}"
