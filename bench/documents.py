"""Measures the time to refuse a hostile document, and that of graphql-core for the same text.

The schema refuses each document as in a request, without a cached parse. For comparison, the
same run parses it (`parse`), and parses and validates it with graphql-core's own rules
(`naive`): the work before execution if documents had no limits.

Run: `./callboard bench documents [rounds]`.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import graphql
from graphql.validation.rules import overlapping_fields_can_be_merged

from domain.identity import callers
from runtime import clock
from schema import root
from schema.engine import base, services

SIZE = 10_000  # characters of the large documents
_BUDGET = 500_000  # graphql-core's own limit for comparing overlapping fields
_INVALID = "GRAPHQL_VALIDATION_FAILED"
STAFF = callers.Caller(1, callers.Kind.STAFF, 1, callers.Role.OWNER)


@dataclass(frozen=True, slots=True)
class Hostile:
    text: str
    code: str  # of the refusal for staff, who have the highest limits


def _filled(start: str, unit: Callable[[int], str], end: str = "") -> str:
    """SIZE characters of numbered units."""
    parts, length, number = [start], len(start) + len(end), 0
    while length + len(unit(number)) <= SIZE:
        parts.append(unit(number))
        length += len(parts[-1])
        number += 1
    return "".join(parts) + end


def _chain(count: int, spread: str, last: str) -> str:
    """Fragments, each of which spreads the next; `spread` has `{}` for its name."""
    chain = "".join(
        f"fragment F{n} on Query {{ {spread.format(f'F{n + 1}')} }} " for n in range(count)
    )
    return "{ ...F0 } " + chain + f"fragment F{count} on Query {{ {last} }}"


def _tree(count: int) -> str:
    """Fragments, each of which spreads two others."""
    return "{ ...F0 } " + " ".join(
        f"fragment F{n} on Query {{ __typename "
        + " ".join(f"...F{m}" for m in (2 * n + 1, 2 * n + 2) if m < count)
        + " }"
        for n in range(count)
    )


_CUSTOMERS = "customers(first: 100) { edges { node { "
_SUMMARY = "summary(granularity: DAILY, first: 100) { edges { node { charge { amount } } } }"

# Documents of 10 kB, refused by their text.
LARGE: Mapping[str, Hostile] = MappingProxyType(
    {
        "nested fragments": Hostile(_chain(227, "...{0} ...{0}", "a"), "TOO_MANY_TOKENS"),
        "aliases": Hostile(_filled("{", lambda n: f"a{n}:viewer{{id}} ", "}"), "TOO_MANY_TOKENS"),
        "directives": Hostile(
            _filled("{ __typename", lambda n: " @skip(if: false)", "}"), "TOO_MANY_TOKENS"
        ),
        "one field again and again": Hostile(
            _filled("{", lambda n: "viewer{__typename} ", "}"), "TOO_MANY_TOKENS"
        ),
        "unknown fields": Hostile(_filled("{", lambda n: f"custmers{n} ", "}"), "TOO_MANY_TOKENS"),
        "small operations": Hostile(
            _filled("", lambda n: f"query Q{n}{{__typename}} "), "TOO_MANY_TOKENS"
        ),
        "variables": Hostile(
            _filled("query(", lambda n: f"$v{n}:Int ", "){__typename}"), "TOO_MANY_TOKENS"
        ),
        "a list in a list": Hostile("{node(id:" + "[" * (SIZE - 9), "TOO_MANY_TOKENS"),
        "braces never closed": Hostile("{a" * (SIZE // 2), "TOO_MANY_TOKENS"),
        "a string never closed": Hostile('{node(id:"' + "x" * (SIZE - 10), "TOO_LONG"),
        "a block string": Hostile(_filled('{node(id:"""', lambda n: "x", '""")}'), "TOO_LONG"),
        "escapes in a string": Hostile('{node(id:"' + "\\" * (SIZE - 10), "TOO_LONG"),
        "quotes": Hostile('"' * SIZE, "TOO_MANY_TOKENS"),
        "one comment": Hostile("#" + "x" * (SIZE - 15) + "\n{__typename}", "TOO_LONG"),
        "comments": Hostile(_filled("{__typename}", lambda n: "#\n"), "TOO_MANY_TOKENS"),
    }
)

# Documents that are refused only after parsing and measuring, or by validation.
SMALL: Mapping[str, Hostile] = MappingProxyType(
    {
        "fragments nested 2^14 times": Hostile(
            _chain(14, "...{0} ...{0}", "__typename"), "TOO_MANY_FIELDS"
        ),
        "aliases in fragments": Hostile(
            _chain(6, "a:node(id:1){{id}} ...{0} ...{0}", "__typename"), "TOO_MANY_ALIASES"
        ),
        "pages in pages": Hostile("{" + _CUSTOMERS + _SUMMARY + "}}}}", "TOO_COSTLY"),
        "pages in fragments": Hostile(
            _chain(7, "...{0} ...{0}", _CUSTOMERS + "id}}}"), "TOO_COSTLY"
        ),
        "a page of a million": Hostile(
            "{customers(first:1000000){edges{cursor}}}", "BAD_PAGE_SIZE"
        ),
        "20 fields deep": Hostile("{viewer" * 20 + "{id}" + "}" * 20, "TOO_DEEP"),
        "the schema under 10 names": Hostile(
            "{__schema{" + "".join(f"a{n}:types{{name}} " for n in range(10)) + "}}", "TOO_COSTLY"
        ),
        "60 directives": Hostile("{a" + "@skip(if:false)" * 60 + "}", "TOO_MANY_DIRECTIVES"),
        "fragments in a circle": Hostile(
            "{...A} fragment A on Query{...B} fragment B on Query{...A}", _INVALID
        ),
        "650 fields of an unknown one": Hostile(
            "{viewr{" + " ".join(f"custmer{n}" for n in range(648)) + "}}", _INVALID
        ),
        "fragments in a tree": Hostile(_tree(36), "TOO_MANY_OVERLAPS"),
        "650 unknown fields": Hostile(
            "{" + " ".join(f"custmer{n}" for n in range(650)) + "}", _INVALID
        ),
        "one field 690 times": Hostile("{" + "__typename " * 690 + "}", "TOO_MANY_OVERLAPS"),
        "38 fragments of one field": Hostile(
            "{" + "".join(f"...F{n} " for n in range(60)) + "}"
            + "".join(f"fragment F{n} on Query{{a}}" for n in range(38)), "TOO_MANY_OVERLAPS"
        ),
        "one object 170 times": Hostile(
            "{" + "viewer{__typename} " * 170 + "}", "TOO_MANY_OVERLAPS"
        ),
    }
)  # fmt: skip


async def refuse(text: str, caller: callers.Caller | None = STAFF) -> Any:
    """The schema's response. No field can be resolved."""
    nothing = cast(Any, None)
    context = base.Context(caller, clock.now, services.Services(nothing, nothing, nothing))
    return await root.api.execute(text, context_value=context)


async def _compared(schema: Any, text: str, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of this document: refused by Callboard, parsed, and executed naively."""
    return (
        await _measured(lambda number: refuse(text + " " * number), rounds),
        await _measured(lambda _: _parsed(text), rounds),
        await _measured(lambda _: _naive(schema, text), rounds),
    )


async def main(rounds: int) -> None:
    schema = root.api._schema
    await refuse("{ __typename }")
    print(f"{'document':28} {'characters':>10} {'refused':>10} {'parse':>9} {'naive':>10}  ratios")
    for name, hostile in [*LARGE.items(), *SMALL.items()]:
        text = hostile.text
        ours, parse, naive = await _compared(schema, text, rounds)
        print(
            f"{name:28} {len(text):10,} {ours:7.2f} ms {parse:6.2f} ms {naive:7.2f} ms"
            f"  {ours / parse:.2f} of parse, {ours / naive:.2f} of naive"
        )


async def _measured(work: Callable[[int], Awaitable[Any]], rounds: int) -> float:
    """Milliseconds of the fastest round. Each round has its own number, so that its text is new."""
    seconds = []
    gc.disable()
    for number in range(rounds):
        start = time.perf_counter()
        await work(number)
        seconds.append(time.perf_counter() - start)
    gc.enable()
    return 1_000 * min(seconds)


async def _parsed(text: str) -> graphql.DocumentNode | None:
    try:
        return graphql.parse(text)
    except graphql.GraphQLSyntaxError:
        return None


async def _naive(schema: graphql.GraphQLSchema, text: str) -> None:
    document = await _parsed(text)
    if document is None:
        return
    ours = overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = _BUDGET
    graphql.validate(schema, document, graphql.specified_rules)
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = ours


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
