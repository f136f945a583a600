"""`python -m domain.locale` updates the catalogs and lists untranslated texts."""

import sys

from domain.locale import catalogs
from domain.messaging import texts


def main() -> int:
    extracted = catalogs.collect_texts()
    untranslated = 0
    for language in texts.LANGUAGES:
        if language == texts.DEFAULT:
            continue
        catalog = catalogs.update(language, extracted)
        catalogs.path(language).write_text(catalogs.render(catalog), "utf-8")
        for message in catalogs.missing(catalog):
            untranslated += 1
            print(f"{language}: not translated: {message}")
    return 1 if untranslated else 0


if __name__ == "__main__":
    sys.exit(main())
