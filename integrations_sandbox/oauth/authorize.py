"""The authorization endpoints: a program sends a person here, and the person is sent back with a code.

Belongs here: checks that all providers make, the person's answer, redirects. Does not belong here: what one
provider checks or adds (`google`, `airtable`, `mailchimp`), the token endpoint (`exchange`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

from integrations_sandbox.oauth import pages
from integrations_sandbox.oauth.clients import ClientBook
from integrations_sandbox.oauth.options import ProviderOptions
from integrations_sandbox.oauth.service import Asked, Code, Problem, Service, Settled
from integrations_sandbox.oauth.state import OAuthServers
from integrations_sandbox.wire import Reply, Request

_OWN_FIELDS = frozenset([pages.DECISION, pages.ACCOUNT, pages.OTHER_ACCOUNT, pages.SCOPE])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the person decided; `ticked` are the scopes that are allowed."""

    is_allowed: bool
    account: str = ""
    ticked: frozenset[str] = frozenset()


class AuthorizationEndpoint:
    def __init__(self, servers: OAuthServers) -> None:
        self._servers = servers

    def handle(self, request: Request, service: Service) -> Reply:
        """GET asks, unless `auto_consent` answers; POST is the person's answer from the page."""
        pairs = request.query if request.method == "GET" else tuple(parse_qsl(request.body.decode("utf-8", "replace")))
        parameters = {name: value for name, value in pairs if name not in _OWN_FIELDS}
        asked = _find_asked(self._servers.clients, service.rules.provider, parameters)
        if isinstance(asked, Reply):
            return asked
        problem = _find_problem(asked) or service.find_problem(asked)
        if problem is not None:
            return _refused(asked, problem, redirects=service.rules.redirects_errors)
        options = self._servers.options.of(service.rules.provider)
        form = pairs if request.method == "POST" else ()
        answer = _answer_of(form, options, service, asked) if form else _automatic(options, service, asked)
        if answer is None:
            return _ask(options, service, asked)
        return self._conclude(service, asked, answer)

    def _conclude(self, service: Service, asked: Asked, answer: _Answer) -> Reply:
        has_nothing = service.rules.is_granular and not answer.ticked
        if not answer.is_allowed or has_nothing:
            denied = Problem(error="access_denied", description="The user denied the request")
            return _refused(asked, denied, redirects=True)
        earlier = self._servers.earlier(service.rules.provider, answer.account, asked.client.id)
        settled = service.settle(asked, answer.ticked, earlier)
        self._servers.remember(service.rules.provider, answer.account, asked, settled)
        code = self._code(service, asked, answer.account, settled)
        return _redirect(asked, {"code": code.value} | dict(service.extra_parameters(code)))

    def _code(self, service: Service, asked: Asked, account: str, settled: Settled) -> Code:
        provider, stage = service.rules.provider, self._servers.stage
        lifetime = timedelta(seconds=self._servers.options.of(provider).code_seconds)
        code = Code(
            value=stage.ids.new(service.rules.code_prefix, 40),
            provider=provider,
            account=account,
            asked=asked,
            settled=settled,
            expires_at=stage.clock.now() + lifetime,
        )
        self._servers.codes[code.value] = code
        return code


def _find_asked(clients: ClientBook, provider: str, parameters: Mapping[str, str]) -> Asked | Reply:
    """The request, or the page for one that must not be redirected: nobody knows where it would lead."""
    client = clients.find(provider, parameters.get("client_id"))
    if client is None:
        return pages.refusal(401, "invalid_client", "The OAuth client was not found.")
    if not client.accepts(parameters.get("redirect_uri", "")):
        text = "The redirect_uri of the request is not one of those that the client registered."
        return pages.refusal(400, "redirect_uri_mismatch", text)
    return Asked(client=client, parameters=parameters)


def _find_problem(asked: Asked) -> Problem | None:
    if not asked.value("response_type"):
        return Problem(error="invalid_request", description="Required parameter is missing: response_type")
    if asked.value("response_type") != "code":
        return Problem(error="unsupported_response_type", description="response_type must be code")
    return None


def _automatic(options: ProviderOptions, service: Service, asked: Asked) -> _Answer | None:
    if options.auto_consent == "ask":
        return None
    left_out = frozenset(options.left_out_scopes if options.auto_consent == "partial" else ())
    account = _accounts(options, service, asked)[0]
    return _Answer(is_allowed=options.auto_consent != "deny", account=account, ticked=asked.scopes - left_out)


def _answer_of(form: tuple[tuple[str, str], ...], options: ProviderOptions, service: Service, asked: Asked) -> _Answer:
    given = dict(form)
    account = given.get(pages.OTHER_ACCOUNT, "").strip() or given.get(pages.ACCOUNT)
    ticked = frozenset(value for name, value in form if name == pages.SCOPE)
    return _Answer(
        is_allowed=given.get(pages.DECISION) == "allow",
        account=account or _accounts(options, service, asked)[0],
        ticked=asked.scopes & ticked if service.rules.is_granular else asked.scopes,
    )


def _accounts(options: ProviderOptions, service: Service, asked: Asked) -> tuple[str, ...]:
    """The accounts to choose from, the most likely first."""
    offered = options.accounts or service.rules.accounts
    hint = asked.value("login_hint") if service.rules.takes_login_hint else ""
    return (hint, *(each for each in offered if each != hint)) if hint else offered


def _ask(options: ProviderOptions, service: Service, asked: Asked) -> Reply:
    return pages.consent(
        service.rules.title,
        asked.client.id,
        asked.parameters,
        _accounts(options, service, asked),
        sorted(asked.scopes & service.rules.scopes),
        is_granular=service.rules.is_granular,
    )


def _refused(asked: Asked, problem: Problem, *, redirects: bool) -> Reply:
    if not redirects:
        return pages.refusal(400, problem.error, problem.description)
    return _redirect(asked, {"error": problem.error, "error_description": problem.description})


def _redirect(asked: Asked, parameters: Mapping[str, str]) -> Reply:
    """Back to the program, with its own `state`."""
    state = {"state": asked.value("state")} if asked.value("state") else {}
    separator = "&" if "?" in asked.redirect_uri else "?"
    location = asked.redirect_uri + separator + urlencode(dict(parameters) | state)
    return Reply(status=302, headers=(("Location", location), ("Cache-Control", "no-store")))
