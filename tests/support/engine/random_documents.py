"""Random GraphQL requests over a schema: valid, nearly valid, and invalid."""

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import graphql
from hypothesis import strategies as st

from schema.engine import base

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

# It would end the session of the caller, and with it the test.
LEFT_OUT = {"logout", "logoutEverywhere"}
_STARTS = ["2026112203", "2026110100", "0001010100", "9999123123", "9999120100", "x"]
_KINDS = ["Account", "ApiKey", "Carrier", "Contact", "Customer", "Invoice", "RateCard", "Staff"]
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\w+|\.\.\.|\S')
_TOKENS_PUT_IN = ["{", "}", "(", ")", "[", ":", "$x", "@skip(if: true)", "...", "on", "null", "1"]
_DIRECTIVES = ["@skip(if: false)", "@include(if: true)", "@include(if: false)", "@skip", "@unheard"]
_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
# The first part is well-formed.
_DECIMALS = ["0", "1.50", "-3", "1e3", "NaN", "Infinity", "0." + "1" * 40, "9" * 60, ""]
_INSTANTS = ["2026-11-22T03:00:00Z", "2026-11-21T03:00:00.5+05:45", "0001-01-01T00:00:00Z"]
_INSTANTS += ["9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "2026-11-22T03:00:00", ""]
_CURSORS = [base.encode_cursor(*key) for key in itertools.product([0, 7, 2**31, 2**63 - 1, "x"])]
_CURSORS += [base.encode_cursor(*key) for key in itertools.product([0, 2**63 - 1, 2**64], repeat=2)]
_WORDS = ["", "a", "EUR", "acme", "UTC", "Asia/Kathmandu", "en", "someone@voice.example"]
_WORDS += ["x" * 300, "\x00", "é\u202e🎈", "' OR 1=1 --", "+441632960000", "sip:a.example"]


class Enum(str):
    """Written without quotes in a document, as a string in variables."""


@dataclass(frozen=True, slots=True)
class Request:
    query: str
    variables: dict[str, Any]

    def body(self) -> bytes:
        return json.dumps({"query": self.query, "variables": self.variables}).encode()


@st.composite
def requests(draw: Draw, schema: graphql.GraphQLSchema, ids: Sequence[str]) -> Request:
    """`ids` are those of things that are there."""
    careful = draw(st.sampled_from([True, True, False]))
    most_fields = draw(st.sampled_from([2, 3, 4, 4, 10]))
    writer = _Writer(draw, schema, ids, careful, most_fields)
    query = writer.document()
    broken = not careful and writer.chance(3)
    return Request(_broken(draw, query) if broken else query, writer.values)


def _broken(draw: Draw, query: str) -> str:
    """Some token dropped, doubled, replaced or put in."""
    tokens = _TOKEN.findall(query)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(tokens) - 1)))
        instead = draw(
            st.sampled_from([[], [tokens[place]] * 2, *([token] for token in _TOKENS_PUT_IN)])
        )
        tokens[place : place + 1] = instead
        if not tokens:
            return ""
    return " ".join(tokens)


@dataclass
class _Writer:
    draw: Draw
    schema: graphql.GraphQLSchema
    ids: Sequence[str]
    careful: bool  # all is as the schema has it, if not as its rules of the product have it
    most_fields: int
    declared: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    fragments: dict[str, str] = field(default_factory=dict)  # text by the name
    types: dict[str, list[str]] = field(default_factory=dict)  # names of fragments by the type
    used: set[str] = field(default_factory=set)  # names of fields

    def chance(self, in_how_many: int) -> bool:
        """Hypothesis prefers the ends of a range: one value in `in_how_many` is from its middle."""
        return bool(self.draw(st.integers(0, in_how_many - 1)) == in_how_many // 2)

    def slip(self, in_how_many: int) -> bool:
        return not self.careful and self.chance(in_how_many)

    def one_of(self, values: Sequence[T]) -> T:
        chosen: T = self.draw(st.sampled_from(values))
        return chosen

    # Selections -------------------------------------------------------------------------------

    def document(self) -> str:
        kind = self.one_of(["query"] * 8 + ["mutation"] * 3 + ["subscription"])
        root = self.schema.get_root_type(graphql.OperationType(kind))
        assert root is not None
        selections = self.selections(root, 5)
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        return " ".join([f"{kind} Random{declared} {selections}", *self.fragments.values()])

    def selections(self, type: Any, depth: int) -> str:
        count = self.draw(st.integers(1, self.most_fields))
        return "{ " + " ".join(self.selection(type, depth) for _ in range(count)) + " }"

    def selection(self, type: Any, depth: int) -> str:
        if graphql.is_union_type(type) or self.chance(8):
            return self.one_of([self.inline, self.spread, self.typename])(type, depth)
        fields = [name for name in getattr(type, "fields", {}) if name not in LEFT_OUT]
        if not fields:
            return "__typename"
        if self.slip(40):
            return self.one_of(["unheard", "__schema { queryType { name } }", "id"])
        return self.field(type.fields, self.one_of(fields), depth)

    def typename(self, type: Any, depth: int) -> str:
        return "__typename"

    def inline(self, type: Any, depth: int) -> str:
        inner = self.narrowed(type)
        return f"... on {inner.name} {self.selections(inner, depth - 1)}" if depth else "__typename"

    def spread(self, type: Any, depth: int) -> str:
        """Of a fragment written before on the type, or of a new one; rarely of itself."""
        inner = self.narrowed(type)
        names = self.types.setdefault(inner.name, [])
        if names and self.chance(2):
            return f"...{self.one_of(names)}"
        if not depth:
            return "__typename"
        name = f"F{len(self.fragments)}"
        self.fragments[name] = ""
        if self.slip(10):
            names.append(name)
        self.fragments[name] = (
            f"fragment {name} on {inner.name} {self.selections(inner, depth - 1)}"
        )
        names.append(name)
        return f"...{name}"

    def narrowed(self, type: Any) -> Any:
        if graphql.is_abstract_type(type):
            return self.one_of([type, *self.schema.get_possible_types(type)])
        return type

    def field(self, fields: dict[str, Any], name: str, depth: int) -> str:
        definition = fields[name]
        inner = graphql.get_named_type(definition.type)
        below = ""
        if graphql.is_composite_type(inner):
            if not depth:
                return "__typename"
            below = " " + self.selections(inner, depth - 1)
        directives = _DIRECTIVES[:3] if self.careful else _DIRECTIVES
        directive = f" {self.one_of(directives)}" if self.chance(15) else ""
        alias = self.alias(name, bool(definition.args))
        return f"{alias}{name}{self.arguments(definition.args)}{directive}{below}"

    def alias(self, name: str, has_arguments: bool) -> str:
        """Two of a name with different arguments cannot both be answered under it."""
        again = name in self.used and has_arguments
        self.used.add(name)
        if again and not self.slip(3):
            return f"a{len(self.used)}_{self.draw(st.integers(0, 10**6))}: "
        return f"a{self.draw(st.integers(0, 9))}: " if self.slip(6) else ""

    # Values -----------------------------------------------------------------------------------

    def arguments(self, definitions: dict[str, Any]) -> str:
        texts = [
            f"{name}: {self.given(name, argument.type)}"
            for name, argument in definitions.items()
            if self.chance(2) or (graphql.is_required_argument(argument) and not self.slip(40))
        ]
        return f"({', '.join(texts)})" if texts else ""

    def given(self, name: str, type: Any) -> str:
        value = self.value(type, 4)
        if name == "first":
            value = self.one_of([1, 2, 5, 100] if self.careful else [0, 1, 100, 101, 2**31])
        if name == "after" and value is not None:
            value = self.one_of(_CURSORS)
        if not self.chance(3):
            return literal(value)
        variable = f"v{len(self.declared)}"
        self.declared.append(f"${variable}: {type}")
        if not self.slip(30):
            self.values[variable] = value
        return f"${variable}"

    def value(self, type: Any, depth: int) -> Any:
        if self.slip(40):
            return self.draw(_JUNK)
        if graphql.is_non_null_type(type):
            return self.present(type.of_type, depth)
        return None if self.chance(6) else self.present(type, depth)

    def present(self, type: Any, depth: int) -> Any:
        if graphql.is_list_type(type):
            return [self.value(type.of_type, depth) for _ in range(self.draw(st.integers(0, 3)))]
        if graphql.is_input_object_type(type):
            return self.object(type, depth)
        if graphql.is_enum_type(type):
            return Enum(self.one_of(list(type.values)))
        return self.scalar(type.name)

    def object(self, type: Any, depth: int) -> dict[str, Any]:
        return {
            name: self.value(definition.type, depth - 1)
            for name, definition in type.fields.items()
            if self.chance(2) or (graphql.is_required_input_field(definition) and not self.slip(40))
        }

    def scalar(self, name: str) -> Any:
        match name:
            case "Int" | "Long":
                return self.one_of([0, 1, 2, 7, 60, 100, 101, -1, 2**31, 2**53 - 1, 2**53])
            case "Boolean":
                return self.draw(st.booleans())
            case "ID":
                return self.one_of([*self.ids, *self.ids, "", "x", "Q3VzdG9tZXI6MTox", 7])
            case "Decimal":
                return self.one_of(_DECIMALS[:2] if self.careful else _DECIMALS)
            case "DateTime":
                return self.one_of(_INSTANTS[:3] if self.careful else _INSTANTS)
            case _:
                return self.one_of(_WORDS)


def literal(value: Any) -> str:
    """A value as a document has it."""
    match value:
        case Enum():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{key}: {literal(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(literal(item) for item in value) + "]"
        case _:
            return json.dumps(value)


def odd_ids(account_id: int) -> list[str]:
    """Ids of objects that cannot exist, except for the summary rows of the hour or month they
    name."""
    rows = itertools.product([0, 1, 2**63 - 1], ["LIVE", "MONTHLY", "x"], _STARTS)
    return [
        *(base.encode_id("SummaryRow", account_id, *parts) for parts in rows),
        *(base.encode_id(kind, account_id, 2**63 - 1) for kind in _KINDS),
        *(base.encode_id(kind, account_id, "x") for kind in _KINDS),
        base.encode_id("Customer", 2**63 - 1, 1),
        base.encode_id("Invoice", account_id, 1, 2),
    ]
