"""Checks a document before it is parsed, in well below a microsecond per token.

The parser takes at least ten times as long, so a hostile text must not reach it.
"""

import re
from collections.abc import Mapping
from operator import attrgetter, le
from typing import NamedTuple

from domain.messaging import texts
from schema.engine.documents import limits

# Possessive quantifiers (`*+`, `++`) prevent backtracking, so the time is linear in the text. Each
# character outside GraphQL tokens counts as a token; the parser refuses it.
_TOKEN = re.compile(
    r'''"""(?:[^"\\]++|\\"""|\\|"(?!""))*+(?:""")?'''  # a block string, closed or not
    r"""|"(?:[^"\\\n\r]++|\\.)*+"?"""  # a string, closed or not
    r"|\#[^\n\r]*+"
    r"|[_A-Za-z][_A-Za-z0-9]*+"
    r"|-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
    r"|\.\.\."
    r"|[^\s,\ufeff]",
    re.ASCII,
)
_OPEN, _CLOSE = frozenset("{[("), frozenset("}])")
_NOT_BEFORE_FIELD = frozenset((":", "@", "..."))  # tokens before names that are not fields


class Counts(NamedTuple):
    """The counts of a text, as in `limits.Limits`. If it has too many tokens, others remain 0.

    The cheapest counts come first.
    """

    length: int
    tokens: int
    characters: int
    definitions: int = 0
    directives: int = 0
    spreads: int = 0
    aliases: int = 0
    nesting: int = 0
    overlaps: int = 0


_limits_of = attrgetter(*Counts._fields)  # of `limits.Limits`


# The code and message of the refusal for each count.
_REFUSALS: Mapping[str, tuple[str, str]] = {
    "length": (
        "TOO_LONG",
        texts.mark_text(
            "The document has {requested} characters; the limit is {limit}. Request less at a time."
        ),
    ),
    "tokens": (
        "TOO_MANY_TOKENS",
        texts.mark_text(
            "The document has {requested} tokens; the limit is {limit}. Request less at a time."
        ),
    ),
    "characters": (
        "TOO_LONG",
        texts.mark_text(
            "The document has {requested} characters without white space; the limit is {limit}."
            " Request less at a time."
        ),
    ),
    "definitions": (
        "TOO_MANY_DEFINITIONS",
        texts.mark_text(
            "The document has {requested} definitions; the limit is {limit}. Request less at a"
            " time."
        ),
    ),
    "directives": (
        "TOO_MANY_DIRECTIVES",
        texts.mark_text(
            "The document has {requested} directives; the limit is {limit}. Request less at a time."
        ),
    ),
    "spreads": (
        "TOO_MANY_FRAGMENTS",
        texts.mark_text(
            "The document has {requested} fragment spreads; the limit is {limit}. Request less"
            " at a time."
        ),
    ),
    "aliases": (
        "TOO_MANY_ALIASES",
        texts.mark_text(
            "The document has {requested} aliases; the limit is {limit}. Request less at a time."
        ),
    ),
    "nesting": (
        "TOO_DEEP",
        texts.mark_text(
            "The document has {requested} nested brackets; the limit is {limit}. Request less at"
            " a time."
        ),
    ),
    "overlaps": (
        "TOO_MANY_OVERLAPS",
        texts.mark_text(
            "The document has {requested} pairs of equal fields or of fragments in the same"
            " selection; the limit is {limit}. Request less at a time."
        ),
    ),
}


def check(text: str, allowed: limits.Limits) -> Counts:
    """The counts of a text. Raises GraphQLError if it is above the limits."""
    if len(text) > allowed.length:
        return check_counts(Counts(len(text), 0, 0), allowed)
    tokens = _TOKEN.findall(text)
    return check_counts(_count(text, tokens, allowed.tokens), allowed)


def check_counts(counts: Counts, allowed: limits.Limits) -> Counts:
    """The same counts. Raises GraphQLError if they are above the limits."""
    limit_values = _limits_of(allowed)
    if all(map(le, counts, limit_values)):
        return counts
    name = next(
        of for of, n, limit in zip(Counts._fields, counts, limit_values, strict=True) if n > limit
    )
    code, template = _REFUSALS[name]
    raise limits.refusal(code, template, getattr(allowed, name), getattr(counts, name))


def _count(text: str, tokens: list[str], max_tokens: int) -> Counts:
    characters = sum(map(len, tokens))
    if len(tokens) > max_tokens:
        return Counts(len(text), len(tokens), characters)
    definitions, nesting, aliases = _brackets(tokens)
    return Counts(
        length=len(text),
        characters=characters,
        tokens=len(tokens),
        definitions=definitions,
        directives=tokens.count("@"),
        spreads=tokens.count("..."),
        nesting=nesting,
        aliases=aliases,
        overlaps=_overlaps(tokens),
    )


def _brackets(tokens: list[str]) -> tuple[int, int, int]:
    """The number of top-level braces, the maximum depth of brackets, and the number of colons
    outside parentheses."""
    depth = max_depth = parentheses = definitions = aliases = 0
    for token in tokens:
        if token in _OPEN:
            definitions += token == "{" and depth == 0
            depth += 1
            max_depth = max(max_depth, depth)
            parentheses += token == "("
        elif token in _CLOSE:
            depth -= 1
            parentheses -= token == ")"
        elif token == ":" and parentheses == 0:
            aliases += 1
    return definitions, max_depth, aliases


def _overlaps(tokens: list[str]) -> int:
    """Pairs of fields with the same response name, and of fragments, within the same braces.

    Validation compares all of these, including their selections.
    """
    pairs = parentheses = 0
    seen: list[dict[str, int]] = []  # for each open brace, how often each name occurred
    previous = second_previous = ""
    for token in tokens:
        if token[0] == "#":
            continue
        if token == "(":
            parentheses += 1
        elif token == ")":
            parentheses -= 1
        elif parentheses:
            pass
        elif token == "{":
            seen.append({})
        elif token == "}":
            if seen:
                seen.pop()
        elif seen and (token == "..." or _is_response_name(token, previous, second_previous)):
            names = seen[-1]
            occurrences = names.get(token, 0)
            pairs += occurrences
            names[token] = occurrences + 1
        second_previous, previous = previous, token
    return pairs


def _is_response_name(token: str, previous: str, second_previous: str) -> bool:
    """Whether the token is the response name of a field, not of a directive, fragment or type."""
    is_name = token[0] == "_" or token[0].isalpha()
    return (
        is_name
        and previous not in _NOT_BEFORE_FIELD
        and not (previous == "on" and second_previous == "...")
    )
