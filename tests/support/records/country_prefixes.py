"""The prefixes of `domain/records/countries.py`, derived from the metadata of `phonenumbers`.

Run `python -m tests.support.records.country_prefixes` and replace the table if they changed.
"""

import re._constants as opcodes
import re._parser as patterns
import textwrap
from collections.abc import Iterable, Iterator

import phonenumbers
from phonenumbers import PhoneMetadata

_NOT_A_COUNTRY = "001"
# How many digits of a national number separate the regions of a country code.
_MAX_DIGITS = 5
_DIGITS = {1: 3}


def compute() -> dict[str, str]:
    """The country by prefix, without prefixes that say the same as a shorter one."""
    prefixes: dict[str, str] = {}
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        main, *others = regions
        if main == _NOT_A_COUNTRY:
            continue
        prefixes[str(code)] = main
        if not others:
            continue
        digits = _DIGITS.get(code, _MAX_DIGITS)
        of_main = set(_national_prefixes(main, digits))
        for region in others:
            leading = PhoneMetadata.metadata_for_region(region).leading_digits
            if leading is None:
                national = set(_national_prefixes(region, digits)) - of_main
            else:
                national = _expand(leading, _MAX_DIGITS)
            prefixes |= {f"{code}{prefix}": region for prefix in national}
    return _shortest(prefixes)


def _national_prefixes(region: str, digits: int) -> Iterator[str]:
    metadata = PhoneMetadata.metadata_for_region(region)
    for kind in (metadata.fixed_line, metadata.mobile):
        if kind is not None and kind.national_number_pattern:
            yield from _expand(kind.national_number_pattern, digits)


def _expand(pattern: str, digits: int) -> set[str]:
    """The first digits of all texts that match the pattern."""
    return {text[:digits] for text in _texts(list(patterns.parse(pattern)), digits)}


def _texts(tokens: list[tuple[object, object]], digits: int) -> set[str]:
    texts = {""}
    for token in tokens:
        left = digits - min(map(len, texts))
        if left <= 0:
            break
        ends = _token_texts(*token, left)
        texts = {(text + end)[:digits] for text in texts for end in ends}
    return texts


def _token_texts(code: object, value: object, digits: int) -> Iterable[str]:
    match code, value:
        case opcodes.LITERAL, int(character):
            return [chr(character)]
        case opcodes.IN, [(opcodes.CATEGORY, opcodes.CATEGORY_DIGIT)]:
            return "0123456789"
        case opcodes.IN, list(members):
            return [c for c in "0123456789" if any(_has(ord(c), *member) for member in members)]
        case opcodes.SUBPATTERN, (*_, tokens):
            return _texts(list(tokens), digits)
        case opcodes.BRANCH, (_, branches):
            return set().union(*(_texts(list(branch), digits) for branch in branches))
        case opcodes.MAX_REPEAT, (low, high, tokens):
            most = min(int(high), int(low) + digits)
            return set().union(*(_texts(list(tokens) * n, digits) for n in range(low, most + 1)))
    raise ValueError(f"{code} is not supported")


def _has(character: int, code: object, value: object) -> bool:
    if code is opcodes.RANGE:
        low, high = value
        return bool(low <= character <= high)
    return code is opcodes.LITERAL and value == character


def _shortest(prefixes: dict[str, str]) -> dict[str, str]:
    """Joins ten prefixes that differ only in the last digit, and removes those that change
    nothing."""
    for length in range(max(map(len, prefixes)), 1, -1):
        for stem in {prefix[:-1] for prefix in prefixes if len(prefix) == length}:
            regions = {prefixes.get(f"{stem}{digit}") for digit in "0123456789"}
            if len(regions) == 1 and stem not in prefixes:
                prefixes[stem] = regions.pop() or ""
    return {
        prefix: region
        for prefix, region in sorted(prefixes.items())
        if region
        != next(
            (prefixes[prefix[:n]] for n in range(len(prefix) - 1, 0, -1) if prefix[:n] in prefixes),
            None,
        )
    }


def table() -> str:
    """The table as it stands in the module."""
    by_region: dict[str, list[str]] = {}
    for prefix, region in compute().items():
        by_region.setdefault(region, []).append(prefix)
    entries = "; ".join(f"{r} {' '.join(p)}" for r, p in sorted(by_region.items()))
    return textwrap.fill(entries, 100)


if __name__ == "__main__":
    print(table())
