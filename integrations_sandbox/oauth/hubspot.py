"""HubSpot's authorization server.

Belongs here: tokens that last half an hour, refresh tokens that stay as they are, errors told twice. Does not belong
here: the endpoints themselves. Assumed: the choice of an account on the page; here it is one of the page's accounts.
"""

from collections.abc import Mapping

from integrations_sandbox.hubspot.state import ALL_SCOPES, DEFAULT_PORTAL, portal_of
from integrations_sandbox.oauth import errors
from integrations_sandbox.oauth.service import Asked, Code, Earlier, Issuer, Problem, Rules, Settled
from integrations_sandbox.oauth.tokens import Authorization, RefreshToken
from integrations_sandbox.wire import JsonObject, WireError


class HubSpotOAuth:
    """Implements `service.Service`. An account is the id of a portal."""

    rules = Rules(
        provider="hubspot",
        title="HubSpot",
        scopes=ALL_SCOPES | {"oauth"},
        usual_scopes=ALL_SCOPES | {"oauth"},
        accounts=(str(DEFAULT_PORTAL),),
        client_proof_in="body",
        access_seconds=1800,
    )

    def find_problem(self, asked: Asked) -> Problem | None:
        if not asked.scopes or not asked.scopes <= self.rules.scopes:
            return Problem(error="invalid_scope", description="scope must name at least one scope, and known ones only")
        return None

    def settle(self, asked: Asked, ticked: frozenset[str], earlier: Earlier) -> Settled:  # noqa: ARG002 - contract
        return Settled(scopes=ticked, has_refresh=True)

    def extra_parameters(self, code: Code) -> Mapping[str, str]:  # noqa: ARG002 - contract
        return {}

    def check_exchange(self, code: Code, form: Mapping[str, str]) -> None:
        if form.get("redirect_uri") != code.asked.redirect_uri:
            raise _bad("BAD_REDIRECT_URI", "redirect URI in OAuth authorization code does not match")

    def answer(
        self,
        issuer: Issuer,
        authorization: Authorization,
        scopes: frozenset[str],
        *,
        has_refresh: bool,
    ) -> JsonObject:
        body: JsonObject = {
            "token_type": "bearer",
            "access_token": issuer.access(authorization, scopes).token,
            "expires_in": int(issuer.access_seconds or 0),
            "hub_id": portal_of(authorization.account),
            "scopes": sorted(scopes),
        }
        return body | ({"refresh_token": issuer.refresh(authorization).value} if has_refresh else {})

    def refresh(
        self, issuer: Issuer, token: RefreshToken | None, form: Mapping[str, str], client_id: str
    ) -> JsonObject:
        """The same refresh token comes back."""
        if token is None or token.authorization.client_id != client_id or token.end_cause(issuer.now) is not None:
            raise _bad("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        body = self.answer(issuer, token.authorization, token.authorization.scopes, has_refresh=False)
        return body | {"refresh_token": form["refresh_token"]}

    def dies_with_password(self, authorization: Authorization) -> bool:  # noqa: ARG002 - contract
        return False


def _bad(status: str, message: str) -> WireError:
    """In the words of RFC 6749 and, beside them, in HubSpot's own."""
    told = errors.invalid_grant(message)
    return WireError(told.status, told.body | {"status": status, "message": message})
