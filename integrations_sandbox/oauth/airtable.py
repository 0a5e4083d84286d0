"""Airtable's authorization server.

Belongs here: mandatory PKCE, rotation of both tokens, the conflict of two refreshes. Does not belong here: the
endpoints themselves. Not imitated: the choice of bases on the page (a token reaches all of them), and the
revocation of a client that sends many wrong refreshes.
"""

from collections.abc import Mapping

from integrations_sandbox.airtable.state import ALL_SCOPES
from integrations_sandbox.oauth import errors
from integrations_sandbox.oauth.service import (
    Asked,
    Code,
    Earlier,
    Issuer,
    Problem,
    Rules,
    Settled,
    challenge_of,
)
from integrations_sandbox.oauth.tokens import Authorization, RefreshToken
from integrations_sandbox.wire import JsonObject

_DAY = 86_400.0


class AirtableOAuth:
    """Implements `service.Service`."""

    rules = Rules(
        provider="airtable",
        title="Airtable",
        scopes=ALL_SCOPES,
        usual_scopes=ALL_SCOPES,
        accounts=("usrSandboxOAuth01",),
        client_proof_in="header",
        access_seconds=3600,
        refresh_seconds=60 * _DAY,
        access_prefix="oaa",
        refresh_prefix="oar",
    )

    def find_problem(self, asked: Asked) -> Problem | None:
        if not asked.value("state"):
            return Problem(error="invalid_request", description="state is required")
        if not asked.value("code_challenge") or asked.value("code_challenge_method") != "S256":
            return Problem(error="invalid_request", description="code_challenge is required, with the method S256")
        if not asked.scopes or not asked.scopes <= self.rules.scopes:
            return Problem(error="invalid_scope", description="scope must name at least one scope, and known ones only")
        return None

    def settle(self, asked: Asked, ticked: frozenset[str], earlier: Earlier) -> Settled:  # noqa: ARG002 - contract
        return Settled(scopes=ticked, has_refresh=True)

    def extra_parameters(self, code: Code) -> Mapping[str, str]:
        return {name: code.asked.value(name) for name in ("code_challenge", "code_challenge_method")}

    def check_exchange(self, code: Code, form: Mapping[str, str]) -> None:
        if not form.get("code_verifier") or not form.get("redirect_uri"):
            raise errors.invalid_request("code_verifier and redirect_uri are required")
        if form["redirect_uri"] != code.asked.redirect_uri:
            raise errors.invalid_grant("redirect_uri is not that of the authorization request")
        if challenge_of(form["code_verifier"]) != code.asked.value("code_challenge"):
            raise errors.invalid_grant("code_verifier does not fit the code_challenge")

    def answer(
        self,
        issuer: Issuer,
        authorization: Authorization,
        scopes: frozenset[str],
        *,
        has_refresh: bool,  # noqa: ARG002 - contract
    ) -> JsonObject:
        """Both tokens, always: here is no access token without a refresh token."""
        return {
            "access_token": issuer.access(authorization, scopes).token,
            "refresh_token": issuer.refresh(authorization).value,
            "token_type": "Bearer",
            "scope": " ".join(sorted(scopes)),
            "expires_in": int(issuer.access_seconds or 0),
            "refresh_expires_in": int(issuer.refresh_seconds or 0),
        }

    def refresh(
        self, issuer: Issuer, token: RefreshToken | None, form: Mapping[str, str], client_id: str
    ) -> JsonObject:
        """Both old tokens stop working, and the sixty days begin anew."""
        if token is None or token.authorization.client_id != client_id or token.end_cause(issuer.now) is not None:
            raise errors.invalid_grant("The refresh token is invalid")
        if token.spent_at is not None:
            raise self._spent(issuer, token)
        authorization = token.authorization
        wanted = frozenset(form.get("scope", "").split())
        if not wanted <= authorization.scopes:
            raise errors.invalid_scope("scope may only name scopes that were granted")
        # Assumed: a scope that was given up once does not come back.
        authorization.scopes = wanted or authorization.scopes
        issuer.book.end_access(authorization)
        token.spent_at = issuer.now
        return self.answer(issuer, authorization, authorization.scopes, has_refresh=True)

    def _spent(self, issuer: Issuer, token: RefreshToken) -> Exception:
        elapsed = (issuer.now - (token.spent_at or issuer.now)).total_seconds()
        if elapsed < issuer.options.conflict_seconds:
            # Assumed: the body; the status and its meaning are documented.
            return errors.refusal(409, "conflict", "you recently refreshed this token")
        return errors.invalid_grant("The refresh token is invalid")

    def dies_with_password(self, authorization: Authorization) -> bool:  # noqa: ARG002 - contract
        """Assumed: nothing is documented."""
        return False
