"""Google's authorization server.

Belongs here: scopes, granular consent, when a refresh token is given, its ends and their wordings.
Does not belong here: the endpoints themselves. Not imitated: `id_token`, `prompt=none`, service accounts.
"""

from collections.abc import Mapping
from datetime import timedelta

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
from integrations_sandbox.oauth.tokens import Authorization, Cause, RefreshToken
from integrations_sandbox.wire import JsonObject, WireError

_AUTH = "https://www.googleapis.com/auth/"
_MAIL = "https://mail.google.com/"
_GMAIL = (
    "compose",
    "insert",
    "labels",
    "metadata",
    "modify",
    "readonly",
    "send",
    "settings.basic",
    "settings.sharing",
)
_OTHERS = (
    "contacts",
    "contacts.other.readonly",
    "contacts.readonly",
    "drive.file",
    "spreadsheets",
    "spreadsheets.readonly",
    "userinfo.email",
    "userinfo.profile",
)
#: Short names that come back as long ones.
_LONG_NAMES = {"email": _AUTH + "userinfo.email", "profile": _AUTH + "userinfo.profile"}

#: Of one account for one client; the oldest is dropped without a word.
MOST_REFRESH_TOKENS = 100
#: "Unused for six months" ends a refresh token.
IDLE = timedelta(days=182)

_REVOKED = "Token has been expired or revoked."
_WORDINGS: Mapping[Cause, str] = {
    "revoked": _REVOKED,
    "expired": _REVOKED,
    "password_changed": _REVOKED,
    "account_deleted": "Account has been deleted",
    # Assumed: the wording; the subtype that goes with it is documented.
    "session_control": "reauth related error (invalid_rapt)",
}


class Google:
    """Implements `service.Service`."""

    rules = Rules(
        provider="google",
        title="Google",
        scopes=frozenset(
            [_MAIL, "openid", "email", "profile"]
            + [f"{_AUTH}gmail.{name}" for name in _GMAIL]
            + [_AUTH + name for name in _OTHERS]
        ),
        usual_scopes=frozenset(f"{_AUTH}gmail.{name}" for name in ("modify", "readonly", "send")),
        accounts=("owner@gmail.example",),
        client_proof_in="either",
        access_seconds=3599,
        code_prefix="4/0A",
        access_prefix="ya29.a0",
        refresh_prefix="1//0",
        wrong_code="Bad Request",
        is_granular=True,
        takes_login_hint=True,
        redirects_errors=False,
    )

    def find_problem(self, asked: Asked) -> Problem | None:
        if not asked.scopes:
            return Problem(error="invalid_request", description="Missing required parameter: scope")
        unknown = asked.scopes - self.rules.scopes
        if unknown:
            return Problem(error="invalid_scope", description=f"Some requested scopes were invalid: {sorted(unknown)}")
        if asked.value("code_challenge_method") not in ("", "plain", "S256"):
            return Problem(error="invalid_request", description="Invalid code_challenge_method")
        return None

    def settle(self, asked: Asked, ticked: frozenset[str], earlier: Earlier) -> Settled:
        """A refresh token is given for `access_type=offline`, on the first consent or with `prompt=consent`.

        Assumed: consent to one session only does not count as the first.
        """
        is_offline = asked.value("access_type") == "offline"
        is_shown = "consent" in asked.value("prompt").split() or not earlier.is_offline
        scopes = frozenset(_LONG_NAMES.get(scope, scope) for scope in ticked)
        if asked.value("include_granted_scopes") == "true":
            scopes |= earlier.scopes
        return Settled(scopes=scopes, has_refresh=is_offline and is_shown)

    def extra_parameters(self, code: Code) -> Mapping[str, str]:
        """Seen, not documented: a program reads the scopes off the token endpoint's answer."""
        return {"scope": " ".join(sorted(code.settled.scopes)), "authuser": "0", "prompt": "consent"}

    def check_exchange(self, code: Code, form: Mapping[str, str]) -> None:
        if form.get("redirect_uri") != code.asked.redirect_uri:
            raise errors.refusal(400, "redirect_uri_mismatch", "Bad Request")
        challenge, verifier = code.asked.value("code_challenge"), form.get("code_verifier")
        if challenge and not verifier:
            raise errors.invalid_grant("Missing code verifier.")
        if verifier and not challenge:
            raise errors.invalid_grant("code_verifier or verifier is not needed.")
        is_hashed = code.asked.value("code_challenge_method") == "S256"
        if verifier and challenge != (challenge_of(verifier) if is_hashed else verifier):
            raise errors.invalid_grant("Invalid code verifier.")

    def answer(
        self, issuer: Issuer, authorization: Authorization, scopes: frozenset[str], *, has_refresh: bool
    ) -> JsonObject:
        body: JsonObject = {
            "access_token": issuer.access(authorization, scopes).token,
            "expires_in": int(issuer.access_seconds or 0),
            "scope": " ".join(sorted(scopes)),
            "token_type": "Bearer",
        }
        if has_refresh:
            body["refresh_token"] = self._new_refresh(issuer, authorization).value
            if issuer.refresh_seconds is not None:
                body["refresh_token_expires_in"] = int(issuer.refresh_seconds)
        return body

    def _new_refresh(self, issuer: Issuer, authorization: Authorization) -> RefreshToken:
        token = issuer.refresh(authorization)
        for oldest in issuer.book.live_refresh_tokens(authorization)[:-MOST_REFRESH_TOKENS]:
            oldest.ended = "revoked"
        return token

    def refresh(
        self, issuer: Issuer, token: RefreshToken | None, form: Mapping[str, str], client_id: str
    ) -> JsonObject:
        if token is None:
            raise errors.invalid_grant("Bad Request")
        if token.authorization.client_id != client_id:
            raise errors.refusal(401, "unauthorized_client", "Unauthorized")
        cause = token.end_cause(issuer.now) or ("expired" if issuer.now - token.used_at >= IDLE else None)
        if cause is not None:
            raise _ended(cause)
        scopes = _narrowed(token.authorization, frozenset(form.get("scope", "").split()))
        token.used_at = issuer.now
        body = self.answer(issuer, token.authorization, scopes, has_refresh=False)
        if token.expires_at is not None:
            body["refresh_token_expires_in"] = int((token.expires_at - issuer.now).total_seconds())
        return body

    def dies_with_password(self, authorization: Authorization) -> bool:
        return any(scope == _MAIL or scope.startswith(_AUTH + "gmail.") for scope in authorization.scopes)


def _ended(cause: Cause) -> WireError:
    more = {"error_subtype": "invalid_rapt"} if cause == "session_control" else {}
    return errors.refusal(400, "invalid_grant", _WORDINGS[cause], **more)


def _narrowed(authorization: Authorization, wanted: frozenset[str]) -> frozenset[str]:
    """The scopes of the next access token. Scopes that the person left out are left out again, without an
    error: google-auth expects that, and warns. Assumed: refused is what was never asked for, and a choice of
    which nothing is left.
    """
    if not wanted:
        return authorization.scopes
    left = frozenset(_LONG_NAMES.get(scope, scope) for scope in wanted) & authorization.scopes
    if not left or not wanted - authorization.asked <= authorization.scopes:
        raise errors.invalid_scope("Bad Request")
    return left
