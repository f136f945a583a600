"""Checklists as people read them over HTTP."""

from typing import Any

from tests.support.api.callers import Caller

ITEMS = "outstanding items { code detail action where mayWait } snoozed { code snoozedUntil }"
OF_ACCOUNT = f"{{ viewer {{ ... on Staff {{ account {{ checklist {{ {ITEMS} }} }} }} }} }}"
OF_CUSTOMER = f"query ($c: ID!) {{ customer(id: $c) {{ checklist {{ {ITEMS} }} }} }}"
CHANGES = "subscription { checklistChanged { customerId outstanding } }"


async def of_account(caller: Caller) -> dict[str, Any]:
    checklist: dict[str, Any] = (await caller.ask(OF_ACCOUNT))["viewer"]["account"]["checklist"]
    return checklist


async def of_customer(caller: Caller, customer: str) -> dict[str, Any]:
    checklist: dict[str, Any] = (await caller.ask(OF_CUSTOMER, c=customer))["customer"]["checklist"]
    return checklist


def codes(checklist: dict[str, Any], of: str = "items") -> list[str]:
    return [item["code"] for item in checklist[of]]
