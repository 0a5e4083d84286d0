"""The two pages that a person sees: the question for consent, and the refusal that no program gets.

Belongs here: HTML that works without scripts. Does not belong here: what an answer means (`authorize`).
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from integrations_sandbox.wire import Reply

#: The form's own fields; the request's parameters travel beside them, hidden.
DECISION, ACCOUNT, OTHER_ACCOUNT, SCOPE = (
    "sandbox_decision",
    "sandbox_account",
    "sandbox_other_account",
    "sandbox_scope",
)

_STYLE = "font: 16px/1.5 system-ui; max-width: 34rem; margin: 2rem auto; padding: 0 1rem"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body style="{style}">
<h1>{title}</h1>
{content}
</body></html>
"""


def refusal(status: int, error: str, description: str) -> Reply:
    content = f"<p>Error {status}: <code>{escape(error)}</code></p>\n<p>{escape(description)}</p>"
    return Reply(status=status, html=_page("Access blocked", content))


def consent(
    title: str,
    client_id: str,
    parameters: Mapping[str, str],
    accounts: Sequence[str],
    scopes: Sequence[str],
    *,
    is_granular: bool,
) -> Reply:
    """The question whether `client_id` may have `scopes`. Its form posts to the page's own address."""
    content = "\n".join(
        [
            f"<p>The program <code>{escape(client_id)}</code> asks for access. This is the sandbox: nobody has "
            "to sign in, and all accounts are invented.</p>",
            '<form method="post" action="?">',
            *(_hidden(name, value) for name, value in parameters.items()),
            *_account_choice(accounts),
            *_scope_choice(scopes, is_granular),
            f'<p><button name="{DECISION}" value="allow">Allow</button>',
            f'<button name="{DECISION}" value="deny">Deny</button></p>',
            "</form>",
        ]
    )
    return Reply(html=_page(f"Sandboxed {title}", content))


def _page(title: str, content: str) -> str:
    return _PAGE.format(title=escape(title), style=_STYLE, content=content)


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def _account_choice(accounts: Sequence[str]) -> Iterable[str]:
    yield "<h2>Account</h2>"
    for account in accounts:
        mark = " checked" if account == accounts[0] else ""
        value = escape(account)
        yield f'<p><label><input type="radio" name="{ACCOUNT}" value="{value}"{mark}> {value}</label></p>'
    yield f'<p><label>Another account: <input name="{OTHER_ACCOUNT}"></label></p>'


def _scope_choice(scopes: Sequence[str], is_granular: bool) -> Iterable[str]:
    if scopes:
        yield "<h2>Scopes</h2>"
    for scope in scopes:
        value = escape(scope)
        if is_granular:
            yield f'<p><label><input type="checkbox" name="{SCOPE}" value="{value}" checked> {value}</label></p>'
        else:
            yield f"<p>{value}</p>"
