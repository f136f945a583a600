"""What can be known of a document before it is parsed, in well below a microsecond a token.

The parser takes ten times as long and more, so that a hostile text must not reach it.
"""

import re
from collections.abc import Mapping
from operator import attrgetter, le
from typing import NamedTuple

from domain import texts
from schema import limits

# No alternative gives back what it has taken (`*+`, `++`): time is linear in the text. What is no
# token of GraphQL counts as one a character, and is the parser's to refuse.
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
_NAMES_NO_FIELD = frozenset((":", "@", "..."))  # what stands before


class Counts(NamedTuple):
    """Of a text, as `limits.Limits` has them; from `definitions` on 0 where tokens are too many.

    What is cheapest to count comes first.
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


_most = attrgetter(*Counts._fields)  # of `limits.Limits`


# How what is above a limit is refused.
_REFUSED: Mapping[str, tuple[str, str]] = {
    "length": (
        "TOO_LONG",
        texts.marked("The document has {requested} characters; send one of at most {limit}."),
    ),
    "tokens": (
        "TOO_MANY_TOKENS",
        texts.marked("The document has {requested} tokens; send one of at most {limit}."),
    ),
    "characters": (
        "TOO_LONG",
        texts.marked(
            "The document has {requested} characters besides white space; send one of at most"
            " {limit}."
        ),
    ),
    "definitions": (
        "TOO_MANY_DEFINITIONS",
        texts.marked("The document has {requested} definitions; send one of at most {limit}."),
    ),
    "directives": (
        "TOO_MANY_DIRECTIVES",
        texts.marked("The document has {requested} directives; send one of at most {limit}."),
    ),
    "spreads": (
        "TOO_MANY_FRAGMENTS",
        texts.marked("The document has {requested} fragment spreads; send one of at most {limit}."),
    ),
    "aliases": (
        "TOO_MANY_ALIASES",
        texts.marked("The document has {requested} aliases; send one of at most {limit}."),
    ),
    "nesting": (
        "TOO_DEEP",
        texts.marked(
            "The document has {requested} brackets within brackets; send one of at most {limit}."
        ),
    ),
    "overlaps": (
        "TOO_MANY_OVERLAPS",
        texts.marked(
            "The document has {requested} pairs of equal fields, or of fragments, side by side;"
            " send one of at most {limit}."
        ),
    ),
}


def check(text: str, allowed: limits.Limits) -> Counts:
    """The counts of a text within the limits; a GraphQLError otherwise."""
    if len(text) > allowed.length:
        return check_counts(Counts(len(text), 0, 0), allowed)
    tokens = _TOKEN.findall(text)
    return check_counts(_counted(text, tokens, allowed.tokens), allowed)


def check_counts(counts: Counts, allowed: limits.Limits) -> Counts:
    """The counts themselves where they are within the limits; a GraphQLError otherwise."""
    most = _most(allowed)
    if all(map(le, counts, most)):
        return counts
    name = next(of for of, n, limit in zip(Counts._fields, counts, most, strict=True) if n > limit)
    code, template = _REFUSED[name]
    raise limits.refusal(code, template, getattr(allowed, name), getattr(counts, name))


def _counted(text: str, tokens: list[str], most: int) -> Counts:
    characters = sum(map(len, tokens))
    if len(tokens) > most:
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
    """Braces opened outside all others, brackets open at once, colons outside parentheses."""
    open_now = deepest = parentheses = definitions = aliases = 0
    for token in tokens:
        if token in _OPEN:
            definitions += token == "{" and open_now == 0
            open_now += 1
            deepest = max(deepest, open_now)
            parentheses += token == "("
        elif token in _CLOSE:
            open_now -= 1
            parentheses -= token == ")"
        elif token == ":" and parentheses == 0:
            aliases += 1
    return definitions, deepest, aliases


def _overlaps(tokens: list[str]) -> int:
    """Pairs of fields answered under one name, and of fragments, within the same braces.

    Validation compares them all, each with what is asked below it.
    """
    pairs = parentheses = 0
    seen: list[dict[str, int]] = []  # for each brace that is open, how often each name was in it
    last = before = ""
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
        elif seen and (token == "..." or _is_answered_as(token, last, before)):
            names = seen[-1]
            times = names.get(token, 0)
            pairs += times
            names[token] = times + 1
        before, last = last, token
    return pairs


def _is_answered_as(token: str, last: str, before: str) -> bool:
    """Whether it names a field, by its alias where it has one: no directive, fragment or type."""
    is_name = token[0] == "_" or token[0].isalpha()
    return is_name and last not in _NAMES_NO_FIELD and not (last == "on" and before == "...")
