"""What can be set about the authorization servers.

Belongs here: the settings and their checks. Does not belong here: the providers' documented figures (`service`).
"""

from dataclasses import dataclass, field, fields
from typing import Literal, get_args

Consenting = Literal["ask", "allow", "deny", "partial"]
PROVIDERS = ("google", "airtable", "mailchimp", "hubspot")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """Settings of one authorization server. None means: as the provider documents it.

    `auto_consent` answers for the person: `ask` shows the page, `allow` and `deny` redirect at once, and
    `partial` allows all but `left_out_scopes` (Google only: elsewhere consent is to all or nothing). It answers
    as the first of `accounts`, or as the `login_hint` that Google takes. The page offers `accounts` to choose.

    `token_delay_seconds` holds back the token endpoint's answers: what was asked for is done at once, and only
    the news is late. `access_token_seconds` and `refresh_token_seconds` are lifetimes; with the latter Google
    also tells `refresh_token_expires_in`, as it does for programs that are in testing (7 days).
    `conflict_seconds` is how long Airtable answers 409 to a refresh token that has just been used.
    """

    auto_consent: Consenting = "ask"
    left_out_scopes: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    token_delay_seconds: float = 0.0
    access_token_seconds: float | None = None
    refresh_token_seconds: float | None = None
    #: Assumed: how recent "recently refreshed" is.
    conflict_seconds: float = 10.0
    #: Documented by Airtable; assumed of the others.
    code_seconds: float = 600.0

    def check(self, provider: str) -> None:
        """Raises ValueError for settings that this provider cannot have."""
        if self.auto_consent not in get_args(Consenting):
            raise ValueError(f"auto_consent must be one of {', '.join(get_args(Consenting))}")
        if self.auto_consent == "partial" and provider != "google":
            raise ValueError("only at Google can a person leave scopes out")
        lifetimes = (self.access_token_seconds, self.refresh_token_seconds)
        if provider == "mailchimp" and lifetimes != (None, None):
            raise ValueError("Mailchimp's tokens never expire, and there are none to refresh them")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthOptions:
    """The settings of the servers."""

    google: ProviderOptions = field(default_factory=ProviderOptions)
    airtable: ProviderOptions = field(default_factory=ProviderOptions)
    mailchimp: ProviderOptions = field(default_factory=ProviderOptions)
    hubspot: ProviderOptions = field(default_factory=ProviderOptions)

    def __post_init__(self) -> None:
        for provider in PROVIDERS:
            self.of(provider).check(provider)

    def of(self, provider: str) -> ProviderOptions:
        """Raises ValueError for a provider that has no authorization server here."""
        if provider not in {each.name for each in fields(self)}:
            raise ValueError(f"provider must be one of {', '.join(PROVIDERS)}")
        found: ProviderOptions = getattr(self, provider)
        return found
