"""The state of the sandboxed authorization servers and what a test can do to it.

Belongs here: options, clients, codes, consents, tokens and counts in one object; short cuts past the browser.
Does not belong here: HTTP, the endpoints' checks (`authorize`, `exchange`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from integrations_sandbox.oauth.airtable import AirtableOAuth
from integrations_sandbox.oauth.clients import DEFAULT_OAUTH_CLIENTS, ClientBook, OAuthClient
from integrations_sandbox.oauth.google import Google
from integrations_sandbox.oauth.hubspot import HubSpotOAuth
from integrations_sandbox.oauth.mailchimp import MailchimpOAuth
from integrations_sandbox.oauth.options import PROVIDERS, OAuthOptions, ProviderOptions
from integrations_sandbox.oauth.service import Asked, Code, Earlier, Issuer, Service, Settled
from integrations_sandbox.oauth.tokens import Authorization, Cause, TokenBook
from integrations_sandbox.stage import Stage
from integrations_sandbox.wire import JsonObject

SERVICES: Mapping[str, Service] = {
    "google": Google(),
    "airtable": AirtableOAuth(),
    "mailchimp": MailchimpOAuth(),
    "hubspot": HubSpotOAuth(),
}


class OAuthServers:
    """Everything the authorization servers know. Providers are `google`, `airtable`, `mailchimp` and `hubspot`.

    Valid access tokens lie in `stage.grants`. Methods raise ValueError for a provider, account, client or token
    that does not exist, so that a test cannot do nothing by mistake. All are safe to call from any thread.
    """

    def __init__(self, stage: Stage, options: OAuthOptions | None = None) -> None:
        self.stage = stage
        self._first_options = options or OAuthOptions()
        self.reset()

    def reset(self) -> None:
        """Back to the start: the default clients only, no tokens, options as given at the start."""
        with self.stage.lock:
            self.options = self._first_options
            self.clients = ClientBook()
            self.codes: dict[str, Code] = {}
            self.book = TokenBook(self.stage)
            self._earlier: dict[tuple[str, str, str], Earlier] = {}
            self._counts: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in PROVIDERS}

    def set_options(self, provider: str | None = None, **changes: Any) -> None:
        """Changes `ProviderOptions` of one running server, or of all. Raises TypeError for an unknown one."""
        with self.stage.lock:
            names = PROVIDERS if provider is None else (provider,)
            changed: dict[str, ProviderOptions] = {
                name: replace(self.options.of(name), **_as_tuples(changes)) for name in names
            }
            self.options = replace(self.options, **changed)

    def register_client(self, client: OAuthClient) -> OAuthClient:
        """Adds a client, or replaces the one with its id."""
        with self.stage.lock:
            self.options.of(client.provider)
            return self.clients.register(client)

    # As a person, or as time

    def grant(
        self,
        provider: str,
        *,
        scopes: Iterable[str] | None = None,
        account: str | None = None,
        client_id: str | None = None,
    ) -> JsonObject:
        """Tokens without the browser: the token endpoint's answer to a person who consented to everything.

        Without `scopes` those that a sync needs; the account is the first of the provider's.
        """
        with self.stage.lock:
            options, service = self.options.of(provider), SERVICES[provider]
            client = self.clients.find(provider, client_id or DEFAULT_OAUTH_CLIENTS[provider].id)
            wanted = service.rules.usual_scopes if scopes is None else frozenset(scopes)
            if client is None or not wanted <= service.rules.scopes:
                raise ValueError("no such client, or no such scope")
            person = account or (options.accounts or service.rules.accounts)[0]
            parameters = {"scope": " ".join(wanted), "access_type": "offline", "prompt": "consent"}
            asked = Asked(client=client, parameters=parameters)
            settled = service.settle(asked, wanted, Earlier())
            self.remember(provider, person, asked, settled)
            return self.issue(provider, person, asked, settled)

    def revoke(self, provider: str, account_or_token: str, cause: Cause = "revoked") -> None:
        """As a person who takes an authorization back, or as the provider for another `cause`.

        A token, of either kind, ends all that its account allowed its client; an account ends all clients'.
        """
        if cause not in get_args(Cause):
            raise ValueError(f"cause must be one of {', '.join(get_args(Cause))}")
        with self.stage.lock:
            self.options.of(provider)
            found = self.book.find(provider, account_or_token)
            account, client_id = (found.account, found.client_id) if found else (account_or_token, None)
            ended = self.book.of_account(provider, account, client_id)
            if not ended:
                raise ValueError(f"{provider} knows no such account or token")
            for authorization in ended:
                self._end(authorization, cause)

    def change_password(self, provider: str, account: str) -> None:
        """Ends what a new password ends: at Google authorizations with a Gmail scope, at Mailchimp all."""
        with self.stage.lock:
            self.options.of(provider)
            found = self.book.of_account(provider, account)
            if not found:
                raise ValueError(f"{provider} knows no such account")
            for authorization in filter(SERVICES[provider].dies_with_password, found):
                self._end(authorization, "password_changed")

    def expire_access(self, token: str) -> None:
        with self.stage.lock:
            self.book.expire_access(token)

    def expire_refresh(self, token: str) -> None:
        with self.stage.lock:
            self.book.expire_refresh(token)

    def token_requests(self, provider: str) -> Counter[tuple[str, str]]:
        """How many requests the token endpoint answered, by grant type and result: `ok` or the error code.

        A request that a fault kept from the endpoint is not among them; one whose answer was lost is.
        """
        with self.stage.lock:
            self.options.of(provider)
            return Counter(self._counts[provider])

    # Shared with the endpoints

    def earlier(self, provider: str, account: str, client_id: str) -> Earlier:
        return self._earlier.get((provider, account, client_id), Earlier())

    def remember(self, provider: str, account: str, asked: Asked, settled: Settled) -> None:
        """A consent, for the next time that the same client asks the same account."""
        before = self.earlier(provider, account, asked.client.id)
        self._earlier[provider, account, asked.client.id] = Earlier(
            scopes=before.scopes | settled.scopes, is_offline=before.is_offline or settled.has_refresh
        )

    def issue(self, provider: str, account: str, asked: Asked, settled: Settled) -> JsonObject:
        """The first tokens of an authorization."""
        authorization = Authorization(
            provider=provider,
            client_id=asked.client.id,
            account=account,
            asked=asked.scopes,
            scopes=settled.scopes,
        )
        self.book.authorize(authorization)
        service = SERVICES[provider]
        return service.answer(self.issuer(service), authorization, settled.scopes, has_refresh=settled.has_refresh)

    def issuer(self, service: Service) -> Issuer:
        return Issuer(
            book=self.book,
            ids=self.stage.ids,
            rules=service.rules,
            options=self.options.of(service.rules.provider),
            now=self.stage.clock.now(),
        )

    def count(self, provider: str, grant_type: str, result: str) -> None:
        self._counts[provider][grant_type, result] += 1

    def _end(self, authorization: Authorization, cause: Cause) -> None:
        self.book.end(authorization, cause)
        key = (authorization.provider, authorization.account, authorization.client_id)
        pending = [code for code in self.codes.values() if (code.provider, code.account, code.asked.client.id) == key]
        for code in pending:
            del self.codes[code.value]
        if cause == "revoked":
            self._earlier.pop(key, None)


def _as_tuples(changes: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where the options have tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
