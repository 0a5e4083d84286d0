"""Mailchimp's authorization server.

Belongs here: tokens without scopes, end or refresh, and the metadata that says where the API is.
Does not belong here: the endpoints themselves.
"""

import zlib
from collections.abc import Mapping

from integrations_sandbox.oauth import errors
from integrations_sandbox.oauth.service import Asked, Code, Earlier, Issuer, Problem, Rules, Settled
from integrations_sandbox.oauth.tokens import Authorization, RefreshToken
from integrations_sandbox.wire import JsonObject

#: Any data centre will do: the address in the metadata is what counts.
DATA_CENTRE = "us1"


class MailchimpOAuth:
    """Implements `service.Service`."""

    rules = Rules(
        provider="mailchimp",
        title="Mailchimp",
        scopes=frozenset(),
        usual_scopes=frozenset(),
        accounts=("owner@mailchimp.example",),
        client_proof_in="body",
        access_seconds=None,
    )

    def find_problem(self, asked: Asked) -> Problem | None:  # noqa: ARG002 - contract
        """There are no scopes and no PKCE; parameters that ask for them are ignored."""
        return None

    def settle(self, asked: Asked, ticked: frozenset[str], earlier: Earlier) -> Settled:  # noqa: ARG002 - contract
        return Settled(scopes=frozenset(), has_refresh=False)

    def extra_parameters(self, code: Code) -> Mapping[str, str]:  # noqa: ARG002 - contract
        return {}

    def check_exchange(self, code: Code, form: Mapping[str, str]) -> None:
        if form.get("redirect_uri") != code.asked.redirect_uri:
            # Assumed: the wording.
            raise errors.invalid_grant("redirect_uri is not that of the authorization request")

    def answer(
        self,
        issuer: Issuer,
        authorization: Authorization,
        scopes: frozenset[str],
        *,
        has_refresh: bool,  # noqa: ARG002 - contract
    ) -> JsonObject:
        """`expires_in` 0 means never, and `scope` is there without a value."""
        return {"access_token": issuer.access(authorization, scopes).token, "expires_in": 0, "scope": None}

    def refresh(
        self,
        issuer: Issuer,  # noqa: ARG002 - contract
        token: RefreshToken | None,  # noqa: ARG002 - contract
        form: Mapping[str, str],  # noqa: ARG002 - contract
        client_id: str,  # noqa: ARG002 - contract
    ) -> JsonObject:
        raise errors.unsupported_grant_type()

    def dies_with_password(self, authorization: Authorization) -> bool:  # noqa: ARG002 - contract
        return True


def metadata(account: str, api_endpoint: str) -> JsonObject:
    """Who the token's owner is, and the address to call: `api_endpoint`, to be followed by `/3.0`."""
    number = zlib.crc32(account.encode())
    login = {
        "email": account,
        "avatar": None,
        "login_id": number,
        "login_name": account,
        "login_email": account,
    }
    return {
        "dc": DATA_CENTRE,
        "role": "admin",
        "accountname": "Sandbox",
        "user_id": number,
        "login": login,
        "login_url": "https://login.mailchimp.com",
        "api_endpoint": api_endpoint,
    }
