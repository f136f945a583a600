"""Every kind of value has one grammar at every entrance: `grammars.KINDS` × `entrances.ENTRANCES`.

`-s` prints the table: how many values were tried, and how many of them are valid.
"""

import json

import pytest

from runtime import clock
from tests.support.api.callers import Carrier
from tests.support.inputs.entrances import ENTRANCES, UNREADABLE, Callers, post
from tests.support.inputs.grammars import KINDS, Kind

PAIRS = [
    (kind, name) for kind in KINDS for name, (_, kinds) in ENTRANCES.items() if kind.name in kinds
]


@pytest.mark.parametrize(("kind", "entrance"), PAIRS, ids=lambda part: getattr(part, "name", part))
async def test_a_value_is_accepted_exactly_if_its_grammar_accepts_it(
    carrier: Carrier, kind: Kind, entrance: str
) -> None:
    customer = await carrier.customer(reference="acme")
    switch = await carrier.key("INGEST")
    callers = Callers(switch, carrier.owner, clock.now().isoformat(), customer)
    values, (enter, _) = kind.values(150), ENTRANCES[entrance]
    codes = await enter(callers, kind.name, values)
    refusal_codes = {UNREADABLE, "BAD_TEXT", *kind.codes}
    wrong = [
        (value, code)
        for value, code in zip(values, codes, strict=True)
        if code == "INTERNAL" or (code in refusal_codes) == kind.is_valid(value)
    ]
    assert wrong == []
    valid = sum(map(kind.is_valid, values))
    print(f"| {kind.name} | {entrance} | {len(values)} tried | {valid} valid | INTERNAL: 0 |")
    assert 10 < valid < len(values) - 10


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *(("1.50", None), ("0", None), ("12", None), ("-0", None)),
        *(("1e2", "BAD_AMOUNT"), ("1E-2", "BAD_AMOUNT"), ("-1", "BAD_AMOUNT")),
        *(("01", "BAD_JSON"), ("+1", "BAD_JSON"), (".5", "BAD_JSON"), ("1.", "BAD_JSON")),
        *(("NaN", "BAD_JSON"), ("true", "BAD_AMOUNT"), ("[]", "BAD_AMOUNT"), ("null", None)),
    ],
)
async def test_an_amount_as_a_json_number_has_the_same_grammar(
    carrier: Carrier, number: str, code: str | None
) -> None:
    await carrier.customer(reference="acme")
    switch, now = await carrier.key("INGEST"), clock.now().isoformat()
    event = {"type": "end", "call_id": "a", "switch": "edge-1", "customer": "acme", "source": "1"}
    event |= {"destination": "2", "setup_at": now, "end_at": now, "charge": "NUMBER"}
    content = f"[{json.dumps(event)}]".replace('"NUMBER"', number)
    answer = await post(switch, "/ingest/calls", content.encode())
    assert [item["code"] for item in answer["refused"]] == ([] if code is None else [code])
