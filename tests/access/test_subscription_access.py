"""Every kind of caller starts every subscription, with its own, foreign and unknown ids."""

from collections import Counter
from typing import Any

from tests.support.api import permission_checks, rights, sdl_documents
from tests.support.api.sockets import hear, say, signed_in, subscribe
from tests.support.api.world import Who, World


async def test_a_subscription_serves_permitted_callers_only_and_treats_a_foreign_id_as_unknown(
    everything: World, case_counts: Counter[str]
) -> None:
    for who in everything.everybody:
        subscriptions: dict[str, tuple[str, str, str]] = {}
        async with signed_in(who.asks.url, who.asks.token) as socket:
            for name, definition in sdl_documents.type_of("Subscription").fields.items():
                for case, id in {
                    "": None,
                    **permission_checks.cases_of(everything.ids["Customer"]),
                }.items():
                    slot = None if id is None else "customerId"
                    if id is None and sdl_documents.required(definition.args["customerId"]):
                        continue
                    text = sdl_documents.Reading(everything.ids).field(
                        sdl_documents.type_of("Subscription"), name, slot
                    )
                    head = "subscription S" if id is None else "subscription S($id: ID!)"
                    key = f"{name}-{case}"
                    subscriptions[key] = (name, case, id or "")
                    variables = {} if id is None else {"variables": {"id": id}}
                    await say(socket, subscribe(key, f"{head} {{ it: {text} }}", **variables))
            messages = await _first_of_each(socket, set(subscriptions))
        _judge(who, subscriptions, messages)
        case_counts["subscriptions"] += len(subscriptions)


async def _first_of_each(socket: Any, ids: set[str]) -> dict[str, Any]:
    messages: dict[str, Any] = {}
    while set(messages) < ids:
        message = await hear(socket)
        if message["type"] in ("next", "error"):
            messages.setdefault(message["id"], message)
    return messages


def _judge(
    who: Who, subscriptions: dict[str, tuple[str, str, str]], messages: dict[str, Any]
) -> None:
    answers: dict[str, dict[str, str]] = {}
    for key, (name, case, id) in subscriptions.items():
        place = f"{name}({case}) as {who.name}"
        answer = {"payload": messages[key]["payload"]}
        is_refused = messages[key]["type"] == "error" or "errors" in messages[key]["payload"]
        mine = case in ("", "own") or (case == "other" and not who.restricted)
        allowed = mine and rights.allows("Subscription", name, who.may, names_customer=case != "")
        assert is_refused is not allowed, f"{place}: {messages[key]}"
        permission_checks.require_kept(place, who, {case: answer})
        if is_refused:
            answers.setdefault(name, {})[case] = permission_checks.without(answer, id) if id else ""
    for name, by_case in answers.items():
        for case in {"other", "foreign", "void"} & set(by_case):
            if case != "other" or who.restricted:
                assert by_case[case] == by_case["none"], f"{name} as {who.name}: {by_case}"
