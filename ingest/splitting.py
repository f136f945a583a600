"""Finds where the elements of a JSON array, or the members of an object, begin and end.

Reads only brackets and strings, so that an invalid element does not affect the others. Works in
bounded steps, which `tests/records/formats/test_splitting.py` counts.
"""

import re
from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

# Yields its current index whenever other tasks may run. Returns its result.
Work: TypeAlias = Generator[int, None, T]
Span: TypeAlias = tuple[int, int]  # of an element, without surrounding white space

STEP_BYTES = 256_000  # read between two yields: about 2 ms
_STEP_TOKENS = 2_000
_MAX_TOKENS = 1_000_000  # about a second; no body within the limits has as many
_WINDOW = 65_536  # bytes that one match may read

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT = rb'\{(?:[^{}\[\]"]++|' + _STRING + rb")*+\}"  # an object without nested arrays or objects
_TOKEN = re.compile(
    rb"(?P<white>[ \t\r\n]++)|(?P<value>" + _FLAT + rb"|" + _STRING + rb')|(?P<quote>")'
    rb"|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<plain>[^\"\[\]{}, \t\r\n]++)",
    re.DOTALL,
)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)++', re.DOTALL)
_WHITE = re.compile(rb"[ \t\r\n]*+")
_TRAILING_COMMA = re.compile(rb"(?<=\}),?[ \t\r\n]*+\Z|(?<=\})[ \t\r\n]++,[ \t\r\n]*+\Z")
# A border between two objects, or text without one. Strings may be invalid.
_BORDER = re.compile(rb"(?P<border>\}[ \t\r\n]*+,[ \t\r\n]*+(?=\{))|\}|[^}]++")


class UnframedError(Exception):
    """The brackets or strings of a text do not match."""


class Scanner:
    """Reads `content` from the index `at`.

    Raises TooManyError for more than `max_elements` elements or 1,000,000 tokens.
    """

    def __init__(self, content: bytes, at: int, max_elements: int) -> None:
        self.content = content
        self.at = at
        self._max_elements = max_elements
        self._stepped_at = at
        self._tokens = 0

    def elements(self) -> Work[list[Span]]:
        """Reads the elements of an array from after its [ to its ]. Ignores a final comma."""
        spans: list[Span] = []
        closer = False
        while not closer:
            span, closer = yield from self.element(b"]")
            if span[0] < span[1] or not closer:
                self.add(spans, span)
        return spans

    def element(self, closer: bytes) -> Work[tuple[Span, bool]]:
        """Reads an element and the comma or `closer` after it.

        Returns the span, and whether the closer followed.
        """
        start, end, depth = 0, 0, 0
        while True:
            token = _TOKEN.match(self.content, self.at, self.at + _WINDOW)
            if token is None:
                raise UnframedError
            kind, self.at = token.lastgroup, token.end()
            if depth == 0 and (kind == "comma" or (kind == "close" and token[0] == closer)):
                return (start, end), kind == "close"
            if kind == "quote":
                yield from self._string()
            elif kind == "open":
                depth += 1
            elif kind == "close":
                depth = max(depth - 1, 0)
            if kind != "white":
                start, end = start if end else token.start(), self.at
            if self.is_due():
                yield self.at

    def _string(self) -> Work[None]:
        """Reads the rest of a string that is longer than a window."""
        while not self.content.startswith(b'"', self.at):
            part = _IN_STRING.match(self.content, self.at, self.at + _WINDOW)
            if part is None:
                raise UnframedError
            self.at = part.end()
            if self.is_due():
                yield self.at
        self.at += 1

    def objects(self, end: int) -> Work[list[Span]]:
        """Reads the text between borders of objects up to `end`, even if strings are invalid."""
        spans: list[Span] = []
        start = self.at
        while self.at < end:
            token = _BORDER.match(self.content, self.at, min(self.at + _WINDOW, end))
            assert token is not None  # the alternatives match any byte
            self.at = token.end()
            if token.lastgroup == "border":
                self.add(spans, (start, token.start() + 1))
                start = self.at
            if self.is_due():
                yield self.at
        tail = self.content[max(start, end - _WINDOW) : end]
        self.add(spans, (start, end - len(tail) + len(_TRAILING_COMMA.sub(b"", tail))))
        return spans

    def skip_white(self) -> Work[None]:
        """Skips white space."""
        while (end := self._white_end()) > self.at:
            self.at = end
            if self.is_due():
                yield self.at

    def _white_end(self) -> int:
        match = _WHITE.match(self.content, self.at, self.at + _WINDOW)
        return self.at if match is None else match.end()

    def add(self, spans: list[Span], span: Span) -> None:
        if len(spans) == self._max_elements:
            raise TooManyError
        spans.append(span)

    def is_due(self) -> bool:
        """Whether other tasks should run now."""
        self._tokens += 1
        if self._tokens % _STEP_TOKENS and self.at - self._stepped_at < STEP_BYTES:
            return False
        if self._tokens > _MAX_TOKENS:
            raise TooManyError
        self._stepped_at = self.at
        return True


class TooManyError(Exception):
    """There are more elements than the limit."""
