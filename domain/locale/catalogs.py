"""What the code says to people, and what the catalogs hold of it."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from domain import texts

ROOT = Path(__file__).parents[2]
FOLDERS = ("domain", "ingest", "models", "resolvers", "schema", "server", "workers")
# What these say is said to switches and operators alone, in English.
IN_ENGLISH = ("ingest/body.py", "ingest/sip_auth.py", "server/ingest_routes.py", "server/cli/")

# Functions that take a text, and as which argument. The kinds of ids are named to people too.
KEYWORDS: Mapping[str, tuple[int, ...]] = {
    "marked": (1,),
    "Text": (1,),
    "say": (2,),
    "counted": (1, 2),
    "Refusal": (2,),
    "encode_id": (1,),
    "no_such": (1,),
    "_invalid": (1,),
    "_shaped": (2,),
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
    """The modules that may say something to people, in order of their names."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.relative_to(ROOT).as_posix().startswith(IN_ENGLISH):
                yield path


def said() -> Catalog:
    """All that the code says, as Babel's extractor finds it."""
    found = Catalog()
    for path in sources():
        with path.open("rb") as file:
            for _, message, comments, _ in extract("python", file, KEYWORDS):
                name = path.relative_to(ROOT).as_posix()
                if message:
                    found.add(message, locations=[(name, 0)], auto_comments=comments)
    return found


def path(language: str) -> Path:
    return texts.FOLDER / f"{language}.po"


def read(language: str) -> Catalog:
    with path(language).open("rb") as file:
        return read_po(file, locale=language)


def missing(catalog: Catalog) -> list[str]:
    """What has no translation in it, or one that is not sure."""
    return [
        message.id if isinstance(message.id, str) else message.id[0]
        for message in catalog
        if message.id and (message.fuzzy or not all(_forms(message.string)))
    ]


def updated(language: str, said: Catalog) -> Catalog:
    """A language's catalog with all that is said and nothing else; translations are kept."""
    catalog = read(language)
    catalog.update(said, no_fuzzy_matching=True)
    return catalog


def written(catalog: Catalog) -> str:
    """As the file has it: in order of the English texts, so that each change is a change of one
    place; no dates and no line numbers."""
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
