"""Every exception of the product, grouped by what to do next.

    IntegrationError
    ├── RetryableError          try again later, by itself; may carry `retry_after_seconds`
    │   ├── UnreachableError    nothing was sent: the address does not answer
    │   ├── RateLimitedError    the provider told us to slow down
    │   ├── WrongAnswerError    what came is no answer of the API: too large, too late, of another shape
    │   ├── InDoubtError        the request may have been applied: look before trying again
    │   └── TokenConflictError  the refresh token was used a moment ago: look for the new pair
    ├── PermanentError          this record or request will fail again until it changes
    ├── NeedsAttentionError     a person must act: credentials, configuration, a missing table
    │   ├── SharedCauseError    the plan's: an allowance that all workspaces share is used up
    │   ├── CredentialsError    token wrong, revoked or unreadable
    │   │   └── DisconnectedError   the authorisation is lost: a person authorises again
    │   ├── ConfigurationError  a setting, file or environment variable is wrong
    │   │   └── RegistrationError   our registration at the provider: wrong for every workspace
    │   └── UnavailableError    the database cannot be reached
    ├── CursorExpiredError      the provider no longer knows the cursor: read everything
    └── BusyError               another run holds the connection's lock

Messages name the thing and the next step, never the data: no response bodies, e-mail addresses, query
strings or tokens. Belongs here: exception types, and completing the commands that
messages advise. Does not: the decision when to raise them.
"""

import re
from typing import ClassVar


class IntegrationError(Exception):
    """Root of everything the product raises on purpose; `str(error)` is fit for logs and people.

    `is_own`: the cause is the workspace's own, so it counts toward its connection's status `error`. What is wrong with
    the provider, the app or the plan would put every workspace there at once.
    """

    is_own: ClassVar[bool] = True


class RetryableError(IntegrationError):
    """A fault that passes by itself (timeout, 5xx, dropped connection).

    `retry_after_seconds` is how long the provider asked us to wait, or None.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    is_own = False


class UnreachableError(RetryableError):
    """The provider's address cannot be reached; nothing was sent."""


class RateLimitedError(RetryableError):
    """The provider's rate limit was met, by us or by someone else; the whole key must pause."""


class WrongAnswerError(RetryableError):
    """What came back is no answer of the API: beyond its bounds, no JSON, or of another shape than documented."""


class InDoubtError(RetryableError):
    """The connection broke after the request may have been applied; only repeatable requests are resent."""


class TokenConflictError(RetryableError):
    """A rotating refresh token was spent a moment ago, by somebody else or by a request whose answer was lost."""


class PermanentError(IntegrationError):
    """Will fail again until the record or the request changes. `code` is the provider's short error type."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class NeedsAttentionError(IntegrationError):
    """Nothing will work until a person acts; the message says what to do."""


class SharedCauseError(NeedsAttentionError):
    """The plan's: an allowance that workspaces share is used up."""

    is_own = False


class CredentialsError(NeedsAttentionError):
    """The provider refuses the credentials, or they cannot be decrypted."""


class DisconnectedError(CredentialsError):
    """The provider took the authorisation back; the connection waits for `connections authorize`."""


class ConfigurationError(NeedsAttentionError):
    """A setting, a file or an environment variable is missing or wrong."""


class RegistrationError(ConfigurationError):
    """The app's: our registration at a provider, which all workspaces share, is missing or wrong."""

    is_own = False


class UnavailableError(NeedsAttentionError):
    """The database cannot be reached; the message names host and setting, never the password."""


class CursorExpiredError(IntegrationError):
    """The provider no longer accepts the stored cursor; the caller reads everything instead."""


class BusyError(IntegrationError):
    """Another run holds the connection; it is never interleaved with."""


#: Commands about what belongs to a workspace, as messages advise them.
_ADVICE = re.compile(
    r"`integrations (?:connections|contacts|pitches|holds|conflicts|failures|suppressions|sync|plan|verify)\b[^`]*`"
)


#: Of these, one about a connection whose provider is not told.
_OF_A_PROVIDER = re.compile(r"(`integrations connections (?!list\b)\w+)(?= --|`)")


def advised(message: str, workspace: str, provider: str = "") -> str:
    """The message with the workspace, and the provider if it is known, in each command that it advises and that lacks
    them: what knows how to help a connection rarely knows whose it is."""
    told = _OF_A_PROVIDER.sub(rf"\1 {provider}", message) if provider else message
    return _ADVICE.sub(
        lambda found: found[0] if "--workspace" in found[0] else f"{found[0][:-1]} --workspace {workspace}`", told
    )
