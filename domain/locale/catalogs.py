"""Extraction of the texts in the code, and the catalogs of their translations."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import babel.messages.extract
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from domain.messaging import texts

ROOT = Path(__file__).parents[2]
FOLDERS = ("domain", "ingest", "models", "resolvers", "schema", "server", "workers")
# Their texts are for switches and operators only, in English.
IN_ENGLISH = ("ingest/body.py", "ingest/sip_auth.py", "server/ingest_routes.py", "server/cli/")

# Functions and the position of their text argument. Kinds of ids are also shown to people.
KEYWORDS: Mapping[str, tuple[int, ...]] = {
    "mark_text": (1,),
    "Text": (1,),
    "say": (2,),
    "translate": (2,),
    "pluralize": (1, 2),
    "Refusal": (2,),
    "TemporaryRefusal": (2,),
    "encode_id": (1,),
    "not_found": (1,),
    "_invalid": (1,),
    "_pattern_check": (2,),
    "_mixed": (1,),
    "_unauthenticated": (1,),
    "_bad_request": (1,),
    "bad_request": (1,),
}

_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: {plurals}\\n"

"""


def sources() -> Iterator[Path]:
    """The modules with texts for people, by name."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.relative_to(ROOT).as_posix().startswith(IN_ENGLISH):
                yield path


def collect_texts() -> Catalog:
    """All texts of the code, as Babel's extractor finds them."""
    catalog = Catalog()
    for path in sources():
        with path.open("rb") as file:
            for _, message, comments, _ in babel.messages.extract.extract("python", file, KEYWORDS):
                name = path.relative_to(ROOT).as_posix()
                if message:
                    catalog.add(message, locations=[(name, 0)], auto_comments=comments)
    return catalog


def path(language: str) -> Path:
    return texts.FOLDER / f"{language}.po"


def read(language: str) -> Catalog:
    with path(language).open("rb") as file:
        return read_po(file, locale=language)


def missing(catalog: Catalog) -> list[str]:
    """The texts without a translation or with a fuzzy one."""
    return [
        message.id if isinstance(message.id, str) else message.id[0]
        for message in catalog
        if message.id and (message.fuzzy or not all(_forms(message.string)))
    ]


def update(language: str, extracted: Catalog) -> Catalog:
    """A language's catalog with exactly the extracted texts. Translations are kept."""
    catalog = read(language)
    catalog.update(extracted, no_fuzzy_matching=True)
    return catalog


def render(catalog: Catalog) -> str:
    """The content of the file.

    It is sorted by the English texts, without dates and line numbers, so that diffs are small.
    """
    body = BytesIO()
    write_po(
        body,
        catalog,
        100,
        omit_header=True,
        sort_output=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    header = _HEADER.format(language=catalog.locale_identifier, plurals=catalog.plural_forms)
    return header + body.getvalue().decode().lstrip("\n")


def _forms(string: str | Sequence[str] | None) -> tuple[str, ...]:
    return (string or "",) if string is None or isinstance(string, str) else tuple(string)
