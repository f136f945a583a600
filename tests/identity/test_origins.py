import pytest

from domain.identity import origins

ALLOWED = origins.parse(
    "https://Board.Example, https://lab.example:8443,capacitor://localhost,http://localhost:*,"
    "http://[::1]:*,https://default.example:443"
)


@pytest.mark.parametrize(
    "origin",
    [
        "https://board.example",
        "https://lab.example:8443",
        "https://default.example",
        "capacitor://localhost",
        "http://localhost",
        "http://localhost:5173",
        "http://[::1]:3000",
    ],
)
def test_a_listed_origin_is_allowed(origin: str) -> None:
    assert ALLOWED.allow(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://board.example",
        "https://board.example:8443",
        "https://board.example.evil.example",
        "https://evil.example/https://board.example",
        "https://lab.example",
        "https://localhost:5173",
        "http://localhost.evil.example:5173",
        "http://localhost:5173@evil.example",
    ],
)
def test_every_other_origin_is_refused(origin: str) -> None:
    assert not ALLOWED.allow(origin)


def test_an_empty_list_allows_no_origin() -> None:
    assert origins.parse("") == origins.parse(" , ") == origins.AllowedOrigins()
    assert not origins.AllowedOrigins().allow("http://localhost:8000")


def test_development_allows_every_port_of_this_machine() -> None:
    allowed = origins.parse(origins.DEVELOPMENT)
    assert allowed.allow("http://localhost:5173")
    assert allowed.allow("http://127.0.0.1:3000")
    assert not allowed.allow("http://192.0.2.1:3000")


@pytest.mark.parametrize(
    "text",
    ["*", "null", "board.example", "https://board.example/", "https://*.example", "https://a b"],
)
def test_an_invalid_origin_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin such as"):
        origins.parse(f"https://board.example,{text}")


def test_only_this_machine_can_use_any_port() -> None:
    with pytest.raises(ValueError, match="only localhost may have the port"):
        origins.parse("https://board.example:*")
