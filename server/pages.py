"""The pages that links in mails open: each a button that runs one mutation with the link's token.

Opening a page changes nothing, so that a scanner of links in mails uses none up. A page is all
there is to load; its policy lets it run its own script and speak to this server, nothing else.
"""

import re
import secrets
from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from domain import messages, people, texts
from domain.messages import Kind
from domain.texts import marked


@dataclass(frozen=True, slots=True)
class Page:
    """`mutation` takes the link's token and, where `asks_password`, a password."""

    mutation: str
    title: str
    explained: str
    button: str
    done: str
    asks_password: bool = False

    @property
    def document(self) -> str:
        kind = self.mutation[0].upper() + self.mutation[1:]
        return (
            f"mutation ($input: {kind}Input!) {{ {self.mutation}(input: $input)"
            " { __typename ... on Refusal { code message } } }"
        )


PAGES: dict[Kind, Page] = {
    Kind.VERIFY_EMAIL: Page(
        "verifyEmail",
        marked("Verify your e-mail address"),
        marked("Press the button to confirm that this address is yours."),
        marked("Verify the address"),
        marked("Your e-mail address is verified. You can close this page."),
    ),
    Kind.RESET_PASSWORD: Page(
        "resetPassword",
        marked("Choose a new password"),
        marked("It replaces the old one; whoever is signed in has to sign in again."),
        marked("Set the password"),
        marked("Your password is changed. Sign in with it."),
        asks_password=True,
    ),
    Kind.INVITATION: Page(
        "acceptInvitation",
        marked("Accept the invitation"),
        marked("Choose a password; you sign in with it and your e-mail address."),
        marked("Accept the invitation"),
        marked("Welcome. You can sign in now."),
        asks_password=True,
    ),
}
_PASSWORD = marked("New password, at least {characters} characters")
_BROKEN = marked("That did not work; try again in a minute.")
_NEEDS_SCRIPT = marked("This page needs JavaScript.")

# Run where only trusted documents are.
DOCUMENTS = frozenset(page.document for page in PAGES.values())

_STYLE = """
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: #1c2430; background: #f3f5f8 }
main { max-width: 26rem; margin: 12vh auto; padding: 2rem; background: #fff; border-radius: .5rem }
h1 { margin-top: 0; font-size: 1.3rem }
input, button { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit }
input { margin: .3rem 0 1rem; border: 1px solid #8a94a3; border-radius: .3rem }
button { border: 0; border-radius: .3rem; color: #fff; background: #1f5fbf; cursor: pointer }
button:disabled { opacity: .6 }
"""
_SCRIPT = """
const form = document.querySelector("form");
const said = document.querySelector("[role=status]");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { document: query, done, broken } = form.dataset;
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const input = { token, ...Object.fromEntries(new FormData(form)) };
  const button = form.querySelector("button");
  button.disabled = true;
  said.textContent = "";
  try {
    const answer = await fetch("graphql", {
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query, variables: { input } }),
    });
    const { data, errors } = await answer.json();
    const result = data && Object.values(data)[0];
    const fault = errors ? errors[0].message : result ? result.message : broken;
    said.textContent = fault ?? done;
    form.hidden = !fault;
  } catch {
    said.textContent = broken;
  }
  button.disabled = false;
});
"""


async def show(request: Request) -> Response:
    kind = _KINDS[request.url.path]
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",  # the address holds the token
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Vary": "Accept-Language",
    }
    language = preferred(request.headers.get("accept-language", ""))
    return HTMLResponse(html(PAGES[kind], language, nonce), headers=headers)


def html(page: Page, language: str, nonce: str) -> str:
    def say(template: str, **values: object) -> str:
        return escape(texts.say(language, template, values))

    password = (
        f"<label>{say(_PASSWORD, characters=people.MIN_PASSWORD)}"
        ' <input type="password" name="password" autocomplete="new-password" required'
        f' minlength="{people.MIN_PASSWORD}"></label>'
    )
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>{say(page.title)}</title>
<style nonce="{nonce}">{_STYLE}</style>
</head>
<body>
<main>
<h1>{say(page.title)}</h1>
<form data-document="{escape(page.document)}" data-done="{say(page.done)}"
 data-broken="{say(_BROKEN)}">
<p>{say(page.explained)}</p>
{password if page.asks_password else ""}
<button>{say(page.button)}</button>
</form>
<p role="status"></p>
<noscript>{say(_NEEDS_SCRIPT)}</noscript>
</main>
<script nonce="{nonce}">{_SCRIPT}</script>
</body>
</html>
"""


def preferred(accept_language: str) -> str:
    """The language of ours that an Accept-Language header (RFC 9110, 12.5.4) likes best."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        found = _RANGE.fullmatch(part.strip())
        if found and found["tag"].partition("-")[0].lower() in texts.LANGUAGES:
            wanted.append((float(found["q"] or 1), texts.supported(found["tag"])))
    best = max(wanted, key=lambda one: one[0], default=(0.0, texts.DEFAULT))
    return best[1] if best[0] > 0 else texts.DEFAULT


_RANGE = re.compile(r"(?P<tag>[A-Za-z-]{1,40})(?:\s*;\s*q\s*=\s*(?P<q>[01](?:\.[0-9]{0,3})?))?")
_KINDS = {messages.PAGE[kind]: kind for kind in PAGES}
routes = [Route(path, show) for path in _KINDS]
