import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import address_proofs
from domain.messaging import messages
from domain.messaging.messages import Channel, Kind

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VALUES = {
    "account": "<b>Voice</b> & Co",
    "until": "noon",
    "code": "012345",
    "minutes": "10",
    "email": "new@acme.example",
    "title": "Few calls are answered",
    "level": "Warning",
    "what": "ASR of Acme",
    "value": "35 %",
    "limit": "below 40 %",
    "reset": "50 %",
    "since": "noon",
    "at": "one",
}


def compose(kind: Kind, language: str = "en") -> messages.Letter:
    return messages.write(
        kind,
        channel=messages.CHANNEL.get(kind, Channel.EMAIL),
        reference="1.2",
        recipient="person@acme.example",
        language=language,
        values=VALUES,
        link="https://voice.example/x?token=a.b&c" if kind in messages.PAGES else "",
        at=NOW,
    )


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("language", ["en", "de", "es", "pt-BR"])
def test_every_message_has_a_text_in_every_language(kind: Kind, language: str) -> None:
    letter = compose(kind, language)
    assert VALUES["account"] in letter.text + letter.subject
    assert not re.search(r"\{\w*\}", letter.subject + letter.text)
    assert bool(letter.subject) == (letter.channel is Channel.EMAIL)


def test_a_repeated_alert_does_not_say_that_its_value_is_beyond_the_threshold() -> None:
    """It may lie between the two thresholds by now."""
    lines = compose(Kind.ALERT_REPEATED).before
    assert "ASR of Acme: 35 %." in lines
    assert "Raised noon, below 40 %; it is cleared at 50 %." in lines


@pytest.mark.parametrize("kind", messages.PAGES)
def test_text_and_html_of_a_mail_have_the_same_content_and_link(kind: Kind) -> None:
    letter = compose(kind)
    assert letter.link in letter.text
    assert 'href="https://voice.example/x?token=a.b&amp;c"' in letter.html
    assert "<b>Voice" not in letter.html
    assert "src=" not in letter.html
    for line in (*letter.before, *letter.after):
        assert line in letter.text


def test_a_text_message_contains_its_code_and_fits_into_one_part() -> None:
    letter = compose(Kind.VERIFY_MOBILE)
    assert "012345" in letter.text
    assert len(letter.text) <= 160


def test_a_message_is_abandoned_after_about_a_day_of_growing_delays() -> None:
    now, waits = NOW, []
    for tries in range(1, 100):
        again = messages.retry_at(tries, now)
        if again is None:
            break
        waits.append(again - now)
        now = again
    assert waits == sorted(waits)
    assert waits[0] <= timedelta(seconds=10)
    assert timedelta(hours=22) < now - NOW < timedelta(hours=26)


@given(st.lists(st.integers(0, 2 * 86_400), max_size=14))
def test_a_request_is_allowed_after_the_stated_wait_and_not_a_second_earlier(
    ago: list[int],
) -> None:
    request_times = [NOW - timedelta(seconds=seconds) for seconds in ago]

    def allowed(at: datetime) -> bool:
        return all(
            sum(at - within < time for time in request_times) < most
            for most, within in address_proofs.REQUEST_LIMITS
        )

    wait = address_proofs.remaining_wait(request_times, NOW)
    assert allowed(NOW + wait)
    assert wait == timedelta(0) or not allowed(NOW + wait - timedelta(seconds=1))


@given(st.text(max_size=8), st.text(max_size=8), st.integers(1, 5), st.integers(1, 5))
def test_a_code_is_stored_only_as_a_hash(code: str, other_code: str, a: int, b: int) -> None:
    first, second = address_proofs.Link(1, a), address_proofs.Link(1, b)
    digest = address_proofs.code_hash("secret", first, code)
    assert address_proofs.is_valid_code("secret", second, other_code, digest) == (
        (code, a) == (other_code, b)
    )
    assert not address_proofs.is_valid_code("other", first, code, digest)
