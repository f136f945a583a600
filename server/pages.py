"""The pages that links in mails open: each a button that runs one mutation with the link's token.

Opening a page changes nothing, so that a scanner of links in mails uses none up. A page is all
there is to load; its policy lets it run its own script and speak to this server, nothing else.
Once the link is used up, its token leaves the address and the history of the browser.
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
            " { __typename ... on Refusal { code message field } } }"
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
_SHOWN = marked("Show the password")
_NEEDS_SCRIPT = marked("This page needs JavaScript: allow it, then open the link again.")
_NEEDS_LINK = marked("Open this page by the link in the message that you were sent.")

# Run where only trusted documents are.
DOCUMENTS = frozenset(page.document for page in PAGES.values())

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --back: #f3f5f8; --card: #fff; --line: #7d8796;
  --act: #1f5fbf; --fault: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --back: #12161c; --card: #1e242d; --act: #2f6bc9; --fault: #ffb4ab }
}
* { box-sizing: border-box }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back) }
main { width: min(30rem, 100% - 2rem); margin: min(12vh, 6rem) auto; padding: 1.5rem;
  border-radius: .5rem; background: var(--card); overflow-wrap: break-word }
h1 { margin: 0; font-size: 1.3rem }
p { margin: 1rem 0 0 }
label { display: block; margin-top: 1rem }
input[name], button { width: 100%; padding: .6rem; border-radius: .3rem; font: inherit }
input[name] { margin-top: .3rem; border: 1px solid var(--line); color: inherit; background: none }
#shown { margin-left: 0 }
button { margin-top: 1rem; border: 0; color: #fff; background: var(--act); cursor: pointer }
button:disabled { cursor: wait }
:focus-visible { outline: 3px solid var(--line); outline-offset: 2px }
[role=status]:empty { display: none }
.fault { color: var(--fault) }
"""
_SCRIPT = """
const form = document.querySelector("form");
const said = document.querySelector("[role=status]");
const button = form.querySelector("button");
const { password, shown } = form.elements;
shown?.addEventListener("change", () => {
  password.type = shown.checked ? "text" : "password";
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  said.textContent = "";
  const { text, isDone, isOver } = await use(new URLSearchParams(location.search).get("token"));
  said.textContent = text;
  said.classList.toggle("fault", !isDone);
  form.hidden = isOver;
  button.disabled = false;
  if (isOver) history.replaceState(null, "", location.pathname);
  else (password ?? button).focus();
});
async function use(token) {
  const { document: query, done, broken } = form.dataset;
  const input = password ? { token, password: password.value } : { token };
  try {
    const answer = await fetch("graphql", {
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query, variables: { input } }),
    });
    const { data, errors } = await answer.json();
    if (errors) return { text: errors[0].message };
    const { code, message, field } = Object.values(data)[0];
    const isDone = code === undefined || code === "ALREADY_VERIFIED";
    return { text: message ?? done, isDone, isOver: isDone || field === "token" };
  } catch {
    return { text: broken };
  }
}
form.hidden = false;
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
    has_token = bool(request.query_params.get("token"))
    return HTMLResponse(_html(PAGES[kind], language, nonce, has_token), headers=headers)


def _html(page: Page, language: str, nonce: str, has_token: bool) -> str:
    def say(template: str) -> str:
        return escape(texts.say(language, template))

    body = _form(page, language, nonce) if has_token else f"<p>{say(_NEEDS_LINK)}</p>"
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{say(page.title)}</title>
<style nonce="{nonce}">{_STYLE}</style>
</head>
<body>
<main>
<h1>{say(page.title)}</h1>
{body}
</main>
</body>
</html>
"""


def _form(page: Page, language: str, nonce: str) -> str:
    """Hidden until its script runs: without it the button would do nothing."""

    def say(template: str, **values: object) -> str:
        return escape(texts.say(language, template, values))

    password = f"""
<label>{say(_PASSWORD, characters=people.MIN_PASSWORD)}
<input type="password" name="password" autocomplete="new-password" required
 minlength="{people.MIN_PASSWORD}"></label>
<label><input type="checkbox" id="shown"> {say(_SHOWN)}</label>"""
    return f"""<form hidden method="post" data-document="{escape(page.document)}"
 data-done="{say(page.done)}" data-broken="{say(_BROKEN)}">
<p>{say(page.explained)}</p>
{password if page.asks_password else ""}
<button>{say(page.button)}</button>
</form>
<p role="status"></p>
<noscript><p>{say(_NEEDS_SCRIPT)}</p></noscript>
<script nonce="{nonce}">{_SCRIPT}</script>"""


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
