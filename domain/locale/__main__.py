"""Brings the catalogs up to date, and lists what they do not translate yet:
`python -m domain.locale`."""

import sys

from domain import texts
from domain.locale import catalogs


def main() -> int:
    said = catalogs.said()
    untranslated = 0
    for language in texts.LANGUAGES:
        if language == texts.DEFAULT:
            continue
        catalog = catalogs.updated(language, said)
        catalogs.path(language).write_text(catalogs.written(catalog), "utf-8")
        for message in catalogs.missing(catalog):
            untranslated += 1
            print(f"{language}: not translated: {message}")
    return 1 if untranslated else 0


if __name__ == "__main__":
    sys.exit(main())
