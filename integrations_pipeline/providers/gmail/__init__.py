"""Gmail, API v1 (https://developers.google.com/workspace/gmail/api). More: docs/providers/gmail.md."""

from integrations_pipeline.providers.base import Later, ProviderSpec
from integrations_pipeline.providers.gmail.limits import API_URL
from integrations_pipeline.providers.oauth_spec import OAuthSpec, Whose

TOKEN_URL = "INTEGRATIONS_GOOGLE_TOKEN_URL"  # noqa: S105 - the name of a variable
AUTH_URL = "INTEGRATIONS_GOOGLE_AUTH_URL"
_SCOPES = "https://www.googleapis.com/auth/gmail."

PROVIDER = ProviderSpec(
    name="gmail",
    title="Gmail",
    settings_model=Later("integrations_pipeline.providers.gmail.settings:GmailSettings"),
    default_mapping={"email": "address", "name": "name"},
    addresses={
        API_URL: "https://gmail.googleapis.com",
        TOKEN_URL: "https://oauth2.googleapis.com/token",
        AUTH_URL: "https://accounts.google.com/o/oauth2/v2/auth",
    },
    credential_keys=("access_token", "refresh_token"),
    mailbox=Later("integrations_pipeline.providers.gmail.mailbox:open_mailbox"),
    #: https://developers.google.com/identity/protocols/oauth2/web-server: without `offline` and `consent` no
    #: refresh token is given. Drafts need compose; replies and the real Message-ID need readonly.
    oauth=OAuthSpec(
        title="Google",
        client="GOOGLE",
        authorize=(AUTH_URL, ""),
        token=(TOKEN_URL, ""),
        scopes=(f"{_SCOPES}compose", f"{_SCOPES}readonly"),
        whose=Whose(place=(API_URL, "/gmail/v1/users/me/profile"), name=lambda told: told["emailAddress"]),
        parameters={"access_type": "offline", "prompt": "consent", "include_granted_scopes": "true"},
    ),
)
