"""OAuth 2 for providers: asking for consent, exchanging codes, refreshing tokens. The protocol is Authlib's.

Belongs here: the requests. Does not: what differs between providers and what goes back and forth (`oauth_spec`, whose
values are to be had here, too), what a token endpoint's answer means (`oauth_answers`), storing tokens, who may refresh
when (`sync.tokens`), the browser (`cli`).
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import tenacity
from authlib.common.security import generate_token
from authlib.oauth2.client import OAuth2Client

from integrations_pipeline.errors import (
    ConfigurationError,
    RegistrationError,
    RetryableError,
    TokenConflictError,
    UnreachableError,
    WrongAnswerError,
)
from integrations_pipeline.providers.bounds import ACCEPTED, BoundedTransport, Bounds, ExceededError
from integrations_pipeline.providers.oauth_answers import known_code, read_answer, refuse
from integrations_pipeline.providers.oauth_spec import Consent as Consent  # noqa: PLC0414 - their users find them here
from integrations_pipeline.providers.oauth_spec import OAuthClient as OAuthClient  # noqa: PLC0414 - the same
from integrations_pipeline.providers.oauth_spec import OAuthSpec as OAuthSpec  # noqa: PLC0414 - the same
from integrations_pipeline.providers.oauth_spec import Tokens as Tokens  # noqa: PLC0414 - the same
from integrations_pipeline.providers.oauth_spec import Whose as Whose  # noqa: PLC0414 - the same
from integrations_pipeline.providers.oauth_spec import is_same_secret as is_same_secret  # noqa: PLC0414 - the same

#: A token endpoint may be slow, and giving up early on one that rotates costs the grant. Its answers are short.
BOUNDS = Bounds(size_bytes=1024 * 1024, pause_seconds=120.0, whole_seconds=150.0)
#: Sending a refresh again after a lost answer never makes things worse, so it is tried this often.
ATTEMPTS = 3
#: A pause that the endpoint asks for is made on the spot up to this; whoever needs the token waits out a longer one.
LONGEST_PAUSE_SECONDS = 10.0
VERIFIER_LENGTH = 64
LONGEST_NAME = 200


class OAuthExchange:
    """Talks to one provider's authorization server in the name of our client."""

    def __init__(
        self,
        spec: OAuthSpec,
        client: OAuthClient,
        addresses: Mapping[str, str],
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._spec = spec
        self._client = client
        self._addresses = addresses
        self._transport = transport
        self._sleep = sleep or time.sleep

    def _pause(self, seconds: float) -> None:
        self._sleep(seconds)

    def ask(self, redirect_uri: str) -> Consent:
        """The question to put to a person, with a fresh state and PKCE verifier."""
        verifier = generate_token(VERIFIER_LENGTH) if self._spec.uses_pkce else ""
        with self._session(redirect_uri) as session:
            address, state = session.create_authorization_url(
                self._address(self._spec.authorize), code_verifier=verifier or None, **self._spec.parameters
            )
        return Consent(address=address, redirect_uri=redirect_uri, state=state, verifier=verifier)

    def accept(self, consent: Consent, answer_url: str) -> tuple[Tokens, dict[str, Any]]:
        """Tokens for the address that the browser was sent to, and what must be kept beside them.

        `ConfigurationError` if the person refused, if the answer belongs to another question, or if a scope
        was not granted; `RetryableError` if the endpoint fails. A code is spent then, and the person is asked
        again.
        """
        code = self._require_code(consent, answer_url)
        with self._session(consent.redirect_uri) as session:
            # Handed over by itself: Authlib would take a token out of the fragment of a pasted address.
            extra = {"code_verifier": consent.verifier} if consent.verifier else {}
            try:
                answer = session.fetch_token(
                    self._address(self._spec.token), grant_type="authorization_code", code=code, **extra
                )
            except RetryableError as error:
                raise RetryableError(f"{error}; the person's answer is used up: run the command again") from error
            tokens = _read(answer)
            self._require_grant(tokens)
            if self._spec.describe is None:
                return tokens, {}
            address = self._addresses[self._spec.token[0]]
            return tokens, dict(self._spec.describe(session.session.http, address, tokens.access_token))

    def account(self, tokens: Tokens) -> str:
        """Whose account was connected, in the provider's words; "" where it does not tell. For people only."""
        whose = self._spec.whose
        if whose is None:
            return ""
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        try:
            with _Http(self._spec, self._transport).http as http:
                told = http.get(self._address(whose.place), headers=headers).raise_for_status().json()
            return str(whose.name(told) or "")[:LONGEST_NAME]
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            return ""  # the tokens are good; a run will say what is wrong with the rest

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token, which may be spent by it.

        `DisconnectedError` if a person must authorise again, `TokenConflictError` if it was used a moment
        ago, `RetryableError` for what passes, `ConfigurationError` for a wrong client.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_retrying),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=_pause_seconds,
            sleep=self._pause,
            reraise=True,
        )
        return retrying(self._refresh_once, refresh_token)

    def _refresh_once(self, refresh_token: str) -> Tokens:
        with self._session() as session:
            return _read(session.refresh_token(self._address(self._spec.token), refresh_token=refresh_token))

    def _require_code(self, consent: Consent, answer_url: str) -> str:
        """The code in an answer to this very question; each parameter counts only where it stands once."""
        found = parse_qs(answer_url.partition("#")[0].partition("?")[2])
        if not found:
            raise ConfigurationError(
                f"that is no answer: the whole address is needed, from {consent.redirect_uri}? on; "
                "run the command again"
            )
        state = found.get("state", [])
        if len(state) != 1 or not is_same_secret(state[0], consent.state):
            raise ConfigurationError(
                "the address belongs to another question (its state differs): run the command again"
            )
        code = found.get("code", [])
        if "error" in found or len(code) != 1:
            told = known_code(found.get("error", ["missing_code"])[0])
            raise ConfigurationError(
                f"{self._spec.title} gave no access ({told}): run the command again to be asked anew"
            )
        return code[0]

    def _session(self, redirect_uri: str = "") -> "_Session":
        if not self._client.id:
            raise RegistrationError(
                f"{self._spec.client}_CLIENT_ID is not set: register an OAuth client at {self._spec.title} and set "
                f"{self._spec.client}_CLIENT_ID and {self._spec.client}_CLIENT_SECRET"
            )
        method = "client_secret_basic" if self._spec.uses_basic else "client_secret_post"
        return _Session(
            _Http(self._spec, self._transport),
            client_id=self._client.id,
            client_secret=self._client.secret or None,
            token_endpoint_auth_method=method if self._client.secret else "none",
            redirect_uri=redirect_uri or None,
            scope=" ".join(self._spec.scopes) if redirect_uri and self._spec.scopes else None,
            code_challenge_method="S256" if self._spec.uses_pkce else None,
        )

    def _address(self, place: tuple[str, str]) -> str:
        name, rest = place
        return self._addresses[name].rstrip("/") + rest

    def _require_grant(self, tokens: Tokens) -> None:
        missing = set(self._spec.scopes) - tokens.scopes if tokens.scopes is not None else set()
        if missing:
            names = ", ".join(sorted(missing))
            raise ConfigurationError(
                f"{self._spec.title} did not grant all that is needed: {names}; run the command again and leave "
                "every box ticked"
            )
        if self._spec.is_refreshable and not tokens.refresh_token:
            raise ConfigurationError(
                f"{self._spec.title} gave no refresh token: remove the application's access in the account's "
                "settings there, then run the command again"
            )


def _is_worth_retrying(error: BaseException) -> bool:
    is_passing = isinstance(error, RetryableError) and not isinstance(error, TokenConflictError)
    return is_passing and (getattr(error, "retry_after_seconds", None) or 0.0) <= LONGEST_PAUSE_SECONDS


def _pause_seconds(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
    return max(asked or 0.0, _BACKOFF(state))


_BACKOFF = tenacity.wait_exponential_jitter(multiplier=0.5, max=LONGEST_PAUSE_SECONDS)


def _read(answer: Mapping[str, Any]) -> Tokens:
    scope, seconds = answer.get("scope"), answer.get("expires_in")
    return Tokens(
        access_token=str(answer["access_token"]),
        refresh_token=str(answer.get("refresh_token") or ""),
        expires_in=timedelta(seconds=seconds) if seconds else None,
        scopes=frozenset(scope.split()) if isinstance(scope, str) else None,
    )


class _Session(OAuth2Client):  # type: ignore[misc]  # Authlib has no types
    """Authlib's client over our own HTTP, closed at the end."""

    def __init__(self, http: "_Http", **options: Any) -> None:
        super().__init__(http, **options)

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.http.close()

    def __del__(self) -> None:
        """Authlib's own deletes an attribute that a failed `__init__` never made."""

    def parse_response_token(self, response: httpx.Response) -> Mapping[str, Any]:
        """Ours: Authlib's gives up on a lifetime that it cannot read, and with it the tokens beside it."""
        self.token = read_answer(self.session.title, response)
        answer: Mapping[str, Any] = self.token
        return answer


class _Http:
    """What Authlib sends through: our timeouts, no redirects, refusals sorted before it reads the answer."""

    def __init__(self, spec: OAuthSpec, transport: httpx.BaseTransport | None) -> None:
        self.title = spec.title
        self._spec = spec
        self.http = httpx.Client(
            timeout=BOUNDS.timeout,
            headers=ACCEPTED,
            follow_redirects=False,
            transport=BoundedTransport(BOUNDS, inner=transport),
        )

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> httpx.Response:
        target, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        try:
            response = self.http.post(target, content=body, headers=sent)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnreachableError(f"{self.title}'s token endpoint cannot be reached") from error
        except ExceededError as error:
            raise WrongAnswerError(f"{self.title}'s token endpoint: {error}") from error
        except httpx.RequestError as error:
            raise RetryableError(f"{self.title}'s token endpoint did not answer ({type(error).__name__})") from error
        refuse(self.title, self._spec.client, response, is_refresh=data.get("grant_type") == "refresh_token")
        return response
