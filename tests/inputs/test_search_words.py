"""Search folds stored and typed text in the same way, following Unicode."""

import unicodedata

from models import db

# What a person types for a stored name, in either direction
TYPED = [
    ("Straße", "strasse"),
    ("STRASSE", "straße"),
    ("L’Oréal", "l'oreal"),
    ("Müller", "muller"),
    ("Müller", "mueller"),
    ("Åkesson", "akesson"),
    ("Åkesson", "aakesson"),
    ("Øresund", "oresund"),
    ("Øresund", "oeresund"),
    ("Ærø", "aero"),
    ("Þór", "thor"),
    ("Łódź", "lodz"),
    ("Đorđe", "dorde"),
    ("İSTANBUL", "istanbul"),
    ("Işık", "isik"),
    ("ΟΔΥΣΣΕΎΣ", "οδυσσευς"),
    ("Οδυσσεύς", "οδυσσεύσ"),
    ("ПЁТР", "петр"),
    ("Œuvre", "oeuvre"),
    ("ﬁliale", "filiale"),
    ("Ｆｕｌｌ ｗｉｄｔｈ", "full width"),
    ("soft\u00adhyphen", "softhyphen"),
    ("A—B", "b"),
    ("«Quoted»", "quoted"),
    ("Smith‐Jones", "jones"),
    ("Col·lecció", "leccio"),
    ("a\u0085b", "b"),
    ("東京・大阪", "大阪"),
    ("שָׁלוֹם", "שלום"),
]


async def test_a_name_is_found_by_its_usual_spellings(api_database: str) -> None:
    assert await _unmatched(TYPED) == []


async def test_a_name_is_found_by_itself_and_by_its_start(api_database: str) -> None:
    names = [name for name, _ in TYPED]
    pairs = [
        (name, typed) for name in names for typed in (name, name.upper(), name.lower(), name[:3])
    ]
    assert await _unmatched(pairs) == []


async def test_a_word_within_a_word_is_not_found(api_database: str) -> None:
    pairs = [("Müller", "ller"), ("Müller", "müllers"), ("Müller", "’ — ·"), ("Müller", "")]
    assert await _unmatched(pairs) == pairs


async def test_every_letter_is_found_in_each_of_its_cases(api_database: str) -> None:
    """Of Unicode 3.2, whose letters every supported PostgreSQL and Python contain. The iota
    below a Greek vowel is a mark here, and a letter only in capitals."""
    letters = [
        character
        for character in map(chr, range(0x20000))
        if unicodedata.ucd_3_2_0.category(character) in ("Lu", "Ll", "Lt")
        and "\u0345" not in unicodedata.normalize("NFKD", character)
    ]
    cases = [
        (letter, form)
        for letter in letters
        for form in {letter.upper(), letter.lower(), letter.title(), letter.casefold()}
    ]
    assert len(cases) > 2_000
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT l, f FROM unnest($1::text[], $2::text[]) AS t (l, f)"
            " WHERE search_words(l) <> search_words(f)",
            *zip(*cases, strict=True),
        )
    assert [tuple(row) for row in rows] == []


async def test_every_punctuation_mark_ends_a_word(api_database: str) -> None:
    marks = [
        character
        for character in map(chr, range(1, 0x20000))
        if unicodedata.ucd_3_2_0.category(character)[0] in "PSZ"
        and unicodedata.category(character)[0] in "PSZ"
        and unicodedata.normalize("NFKD", character) == character
    ]
    assert len(marks) > 1_000
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT m FROM unnest($1::text[]) AS t (m)"
            " WHERE search_words('ab' || m || 'cd') <> '{ab,cd}'",
            marks,
        )
    assert [f"{ord(row['m']):04x}" for row in rows] == []


async def test_the_longest_name_can_be_stored_and_found(api_database: str) -> None:
    pairs = [(character * 500, character * 100) for character in "x\u337f\ufdfa\U0001d400"]
    assert await _unmatched(pairs) == []


async def _unmatched(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs whose name is not found by the typed text."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT name, typed FROM unnest($1::text[], $2::text[]) WITH ORDINALITY"
            " AS pair (name, typed, place)"
            " WHERE (search_index(7, name) @@ search_query(7, typed)) IS NOT TRUE ORDER BY place",
            [name for name, _ in pairs],
            [typed for _, typed in pairs],
        )
    return [(row["name"], row["typed"]) for row in rows]
