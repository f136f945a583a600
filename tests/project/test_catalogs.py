"""The catalogs contain exactly the user-facing texts."""

import ast
import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from hypothesis import given
from hypothesis import strategies as st

from domain.locale import catalogs
from domain.messaging import texts
from schema import __main__ as sdl
from schema import root

SAID = catalogs.collect_texts()
TRANSLATED = {
    language: catalogs.read(language) for language in texts.LANGUAGES if language != texts.DEFAULT
}
OTHERS = pytest.mark.parametrize("language", TRANSLATED)

_SENTENCE = re.compile(r"[A-Z{`].*\s.*[.?!]", re.S)
# Messages only for programmers: about invalid values, about this page
_NOT_TO_PEOPLE = {
    "schema/engine/scalars.py",
    "server/graphql/graphiql/page.py",
    "server/health.py",
    "models/billing/reconciliation_sql.py",
}
_NO_TEXTS = {
    "Validation aborted.",  # Texts of graphql-core, for comparison
    # Messages only for switches:
    "Other content is stored under this key and revision. This record was held for review.",
}


def _messages(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def _ids(catalog: Catalog) -> set[Any]:
    return {message.id for message in _messages(catalog)}


def _forms(text: Any) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _placeholders(template: str) -> set[tuple[str, str | None, str | None]]:
    return {
        (name, spec, conversion)
        for _, name, spec, conversion in string.Formatter().parse(template)
        if name is not None
    }


@OTHERS
def test_every_text_is_translated(language: str) -> None:
    catalog = TRANSLATED[language]
    assert sorted(map(str, _ids(SAID) - _ids(catalog))) == [], "run `python -m domain.locale`"
    assert catalogs.missing(catalog) == []


@OTHERS
def test_every_translation_is_used(language: str) -> None:
    unused = _ids(TRANSLATED[language]) - _ids(SAID)
    assert sorted(map(str, unused)) == [], "run `python -m domain.locale`"


@OTHERS
def test_no_translation_is_fuzzy(language: str) -> None:
    assert [message.id for message in TRANSLATED[language] if message.fuzzy] == []
    assert not TRANSLATED[language].obsolete


@OTHERS
def test_a_translation_has_the_placeholders_of_its_text(language: str) -> None:
    for message in _messages(TRANSLATED[language]):
        of = _forms(message.id)
        for number, translation in enumerate(_forms(message.string)):
            text = of[min(number, len(of) - 1)]  # of some languages there are more than two
            assert _placeholders(translation) == _placeholders(text), text


@OTHERS
def test_a_catalog_equals_the_output_of_the_command(language: str) -> None:
    content = catalogs.render(catalogs.update(language, SAID))
    assert catalogs.path(language).read_text("utf-8") == content, "run `python -m domain.locale`"


def test_new_texts_are_added_and_existing_ones_keep_their_comments() -> None:
    texts_of_code = catalogs.collect_texts()
    texts_of_code.add("A new text.")
    catalog = catalogs.read("de")
    catalog["a draft"].user_comments.append("dative")
    catalog.update(texts_of_code, no_fuzzy_matching=True)
    assert catalogs.missing(catalog) == ["A new text."]
    assert "# dative\n" in catalogs.render(catalog)
    assert catalog["a draft"].string == "einem Entwurf"


def test_every_catalog_is_of_a_supported_language() -> None:
    languages = {path.stem for path in texts.FOLDER.glob("*.po")}
    assert languages == set(texts.LANGUAGES) - {texts.DEFAULT}


# Nothing escapes the extractor ---------------------------------------------------------------


def _known() -> set[str]:
    return {form for message in _messages(SAID) for form in _forms(message.id)}


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in catalogs.sources():
        yield path.relative_to(catalogs.ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def _described(tree: ast.Module) -> set[int]:
    """Literals that are docstrings or descriptions."""
    descriptions = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            descriptions.add(id(node.value))
        if isinstance(node, ast.keyword) and node.arg == "description":
            descriptions |= {id(within) for within in ast.walk(node.value)}
    return descriptions


def test_texts_in_the_code_are_found() -> None:
    known_texts = _known() | _NO_TEXTS
    descriptions = " ".join(sdl.text().split())
    for name, tree in _trees():
        described = _described(tree)
        for node in ast.walk(tree):
            if name in _NOT_TO_PEOPLE or id(node) in described:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if not _SENTENCE.fullmatch(node.value) or node.value in descriptions:
                    continue
                assert node.value in known_texts, (
                    f"{name}:{node.lineno}: {node.value!r} is not found as a text: put it into"
                    " Refusal(…) or texts.marked(…), without an f"
                )


def _text_arguments() -> Iterator[tuple[str, ast.expr]]:
    """The texts that the extractor finds, in every package."""
    for folder in catalogs.FOLDERS:
        for path in sorted((catalogs.ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    for place in catalogs.KEYWORDS.get(name, ()):
                        if len(node.args) >= place:
                            yield f"{path}:{node.lineno}", node.args[place - 1]


def test_a_text_is_a_literal_or_derived_from_one() -> None:
    checked = 0
    for where, argument in _text_arguments():
        checked += 1
        literal = isinstance(argument, ast.Constant)
        within = [node for node in ast.walk(argument) if isinstance(node, ast.Constant)]
        is_made = isinstance(argument, ast.JoinedStr | ast.BinOp | ast.IfExp)
        assert literal or not is_made or not within, f"{where}: a text is made up here"
    assert checked > 200


def test_every_type_with_an_id_has_a_readable_name() -> None:
    assert set(root.NODES) <= _known()


# Every text can be formatted ---------------------------------------------------------------------

_ANY = st.one_of(
    st.text(),
    st.integers(),
    st.none(),
    st.decimals(allow_nan=False, allow_infinity=False, places=6),
    st.dates(),
    st.builds(texts.Text, st.sampled_from(["a draft", "Customer"])),
    st.lists(st.text(max_size=3), max_size=3),
)
_INSTANTS = st.floats(0, 32_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
_ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])


@given(_ANY | _INSTANTS, _INSTANTS, st.integers(0, 2**63), _ZONES)
def test_every_text_can_be_formatted_in_every_language_with_any_values(
    anything: Any, at: datetime, count: int, zone: str
) -> None:
    of_spec = {"": anything, "utc": at, ",": count}
    for message in _messages(SAID):
        singular, *many = _forms(message.id)
        values = {
            name: of_spec[spec or ""] for name, spec, _ in _placeholders(singular + "".join(many))
        }
        text = texts.Text(singular, values, many[0] if many else None, count)
        for language in texts.LANGUAGES:
            assert text.translate(language, zone)


def test_the_catalogs_are_read_from_files_of_the_package() -> None:
    assert Path(texts.__file__).parents[1] == texts.FOLDER.parent
    assert texts.translate("de", "Internal error {id}", {"id": Decimal(7)}) == "Interner Fehler 7"
