"""The token endpoints: a code or a refresh token comes in, tokens go out.

Belongs here: reading the form, how a client proves itself, the single use of a code, counting. Does not belong
here: what one provider issues and when it refuses (`google`, `airtable`, `mailchimp`).
"""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl

from integrations_sandbox.oauth import errors
from integrations_sandbox.oauth.clients import ClientBook, OAuthClient
from integrations_sandbox.oauth.service import Code, Rules, Service
from integrations_sandbox.oauth.state import OAuthServers
from integrations_sandbox.wire import JsonObject, Reply, Request, WireError

_FORM = "application/x-www-form-urlencoded"
_NO_STORE = (("Cache-Control", "no-store"),)


class TokenEndpoint:
    def __init__(self, servers: OAuthServers) -> None:
        self._servers = servers

    def handle(self, request: Request, service: Service) -> Reply:
        """The answer is worked out at once; `token_delay_seconds` only holds it back."""
        provider, form = service.rules.provider, read_form(request)
        delay = self._servers.options.of(provider).token_delay_seconds
        try:
            body = self._answer(request, form, service)
        except WireError as error:
            self._servers.count(provider, form.get("grant_type", ""), error.body["error"])
            return Reply(status=error.status, body=error.body, headers=_NO_STORE, delay_seconds=delay)
        self._servers.count(provider, form.get("grant_type", ""), "ok")
        return Reply(body=body, headers=_NO_STORE, delay_seconds=delay)

    def _answer(self, request: Request, form: Mapping[str, str], service: Service) -> JsonObject:
        # First of all: a code is used up even if the request that presents it fails. Documented by Airtable,
        # assumed of the others.
        code = self._use_up(service.rules.provider, form.get("code", ""))
        if not form:
            raise errors.invalid_request(f"The body must be {_FORM}")
        client = authenticate(request, form, service.rules, self._servers.clients)
        match form.get("grant_type"):
            case "authorization_code":
                return self._exchange(service, form, client, code)
            case "refresh_token":
                return self._refresh(service, form, client)
            case None:
                raise errors.invalid_request("Missing required parameter: grant_type")
            case _:
                raise errors.unsupported_grant_type()

    def _use_up(self, provider: str, value: str) -> Code | None:
        code = self._servers.codes.get(value)
        return self._servers.codes.pop(value) if code is not None and code.provider == provider else None

    def _exchange(
        self, service: Service, form: Mapping[str, str], client: OAuthClient, code: Code | None
    ) -> JsonObject:
        if not form.get("code"):
            raise errors.invalid_request("Missing required parameter: code")
        now = self._servers.stage.clock.now()
        if code is None or code.expires_at <= now or code.asked.client.id != client.id:
            raise errors.invalid_grant(service.rules.wrong_code)
        service.check_exchange(code, form)
        return self._servers.issue(code.provider, code.account, code.asked, code.settled)

    def _refresh(self, service: Service, form: Mapping[str, str], client: OAuthClient) -> JsonObject:
        if not form.get("refresh_token"):
            raise errors.invalid_request("Missing required parameter: refresh_token")
        token = self._servers.book.find_refresh(service.rules.provider, form["refresh_token"])
        return service.refresh(self._servers.issuer(service), token, form, client.id)


def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; empty for any other content type."""
    kind = request.content_type.partition(";")[0].strip().lower()
    return dict(parse_qsl(request.body.decode("utf-8", "replace"))) if kind == _FORM else {}


def authenticate(request: Request, form: Mapping[str, str], rules: Rules, clients: ClientBook) -> OAuthClient:
    """The client that makes a token request. Raises WireError 401 `invalid_client`.

    A secret is looked for where the provider takes it: the header for Airtable, the body for Mailchimp, either
    for Google, the header first. A public client sends none, and where the header is the place, no header.
    """
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if rules.client_proof_in == "header":
        secret = None
    if rules.client_proof_in != "body" and request.authorization:
        client_id, secret = _read_basic(request.authorization)
    client = clients.find(rules.provider, client_id)
    if client is None:
        raise errors.invalid_client("The OAuth client was not found.")
    # Google's own library sends the header also for a client without a secret, with an empty one.
    given = secret or None if rules.client_proof_in == "either" else secret
    if given != client.secret:
        raise errors.invalid_client("Unauthorized")
    return client


def _read_basic(authorization: str) -> tuple[str, str]:
    """Id and secret of a `Basic` header. Raises WireError for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        client_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise errors.invalid_client("The header Authorization cannot be read") from error
    if scheme.lower() != "basic" or not colon:
        raise errors.invalid_client("The header Authorization must be Basic")
    return client_id, secret
