"""The pages behind links in e-mails. A button on each runs one mutation with the link's token.

Opening a page changes nothing, so that scanners of links in e-mails do not use a link. A page
loads no other files, and its policy allows only its own script and requests to this server. When
the link has been used, the script removes the token from the address and the browser's history.
"""

import secrets
from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from domain.identity import personal_data
from domain.messaging import messages, texts
from domain.messaging.messages import Kind
from domain.messaging.texts import mark_text


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
        mark_text("Verify your e-mail address"),
        mark_text("Select the button to confirm that this address is yours."),
        mark_text("Verify the address"),
        mark_text("Your e-mail address is verified. You can close this page."),
    ),
    Kind.RESET_PASSWORD: Page(
        "resetPassword",
        mark_text("Choose a new password"),
        mark_text("The new password replaces the old one and ends all sessions."),
        mark_text("Set the password"),
        mark_text("The password was changed. Sign in with the new password."),
        asks_password=True,
    ),
    Kind.INVITATION: Page(
        "acceptInvitation",
        mark_text("Accept the invitation"),
        mark_text("Choose a password. You sign in with your e-mail address and this password."),
        mark_text("Accept the invitation"),
        mark_text("Your password is set. You can sign in now."),
        asks_password=True,
    ),
}
_PASSWORD = mark_text("New password, at least {characters} characters")
_NO_RESPONSE = mark_text("The server did not respond. Try again in a minute.")
_SHOW_PASSWORD = mark_text("Show the password")
_NEEDS_SCRIPT = mark_text("This page needs JavaScript. Allow it, then open the link again.")
_NEEDS_LINK = mark_text("To use this page, open the link in the message that you received.")

# Allowed even if only trusted documents may run.
DOCUMENTS = frozenset(page.document for page in PAGES.values())

STYLE = """
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
a { color: inherit }
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
const status = document.querySelector("[role=status]");
const button = form.querySelector("button");
const { password, shown } = form.elements;
shown?.addEventListener("change", () => {
  password.type = shown.checked ? "text" : "password";
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  status.textContent = "";
  // A damaged link may hold characters that no token has, and that no text may have.
  const token = new URLSearchParams(location.search).get("token").replace(/[^\\w.-]/g, "");
  const { text, isDone, isOver } = await use(token);
  status.textContent = text;
  status.classList.toggle("fault", !isDone);
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
        "Vary": "Accept-Language",
    }
    language = texts.preferred_language(request.headers.get("accept-language"))
    has_token = bool(request.query_params.get("token"))
    return HTMLResponse(_html(PAGES[kind], language, nonce, has_token), headers=headers)


def _html(page: Page, language: str, nonce: str, has_token: bool) -> str:
    def say(template: str) -> str:
        return escape(texts.translate(language, template))

    body = _form(page, language, nonce) if has_token else f"<p>{say(_NEEDS_LINK)}</p>"
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{say(page.title)}</title>
<style nonce="{nonce}">{STYLE}</style>
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
    """Hidden until its script runs, because the button has no effect without it."""

    def say(template: str, **values: object) -> str:
        return escape(texts.translate(language, template, values))

    password = f"""
<label>{say(_PASSWORD, characters=personal_data.MIN_PASSWORD_CHARACTERS)}
<input type="password" name="password" autocomplete="new-password" required
 minlength="{personal_data.MIN_PASSWORD_CHARACTERS}"></label>
<label><input type="checkbox" id="shown"> {say(_SHOW_PASSWORD)}</label>"""
    return f"""<form hidden method="post" data-document="{escape(page.document)}"
 data-done="{say(page.done)}" data-broken="{say(_NO_RESPONSE)}">
<p>{say(page.explained)}</p>
{password if page.asks_password else ""}
<button>{say(page.button)}</button>
</form>
<p role="status"></p>
<noscript><p>{say(_NEEDS_SCRIPT)}</p></noscript>
<script nonce="{nonce}">{_SCRIPT}</script>"""


_KINDS = {messages.PAGES[kind]: kind for kind in PAGES}
routes = [Route(path, show) for path in _KINDS]
