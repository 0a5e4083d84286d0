"""Google Contacts, People API v1 (https://developers.google.com/people). More: docs/providers/google_contacts.md."""

from collections.abc import Mapping
from typing import Any

from integrations_pipeline.providers.base import Capabilities, Later, ProviderSpec
from integrations_pipeline.providers.google_contacts.limits import API_URL, BATCH, PROPAGATION_SECONDS
from integrations_pipeline.providers.oauth_spec import OAuthSpec, Whose

TOKEN_URL = "INTEGRATIONS_GOOGLE_TOKEN_URL"  # noqa: S105 - the name of a variable
AUTH_URL = "INTEGRATIONS_GOOGLE_AUTH_URL"


def account_name(told: Mapping[str, Any]) -> str:
    """The account's own e-mail, as far as it shows one."""
    return str(told["emailAddresses"][0]["value"])


PROVIDER = ProviderSpec(
    name="google_contacts",
    title="Google Contacts",
    capabilities=Capabilities(
        max_batch=BATCH,
        max_concurrency=1,  # "Mutate requests for the same user should be sent sequentially."
        max_read_batch=BATCH,
        tells_modified_at=True,
        propagation_seconds=PROPAGATION_SECONDS,
        keeps_refusals=True,
        has_own_columns=False,
    ),
    settings_model=Later("integrations_pipeline.providers.google_contacts.provider:GoogleContactsSettings"),
    default_mapping={
        "email": "emailAddresses",
        "name": "names",
        "phone": "phoneNumbers",
        "company": "organizations.name",
        "job_title": "organizations.title",
        "tags": "memberships",
    },
    addresses={
        API_URL: "https://people.googleapis.com",
        TOKEN_URL: "https://oauth2.googleapis.com/token",
        AUTH_URL: "https://accounts.google.com/o/oauth2/v2/auth",
    },
    credential_keys=("access_token", "refresh_token"),
    contacts=Later("integrations_pipeline.providers.google_contacts.provider:ContactsProvider"),
    #: https://developers.google.com/identity/protocols/oauth2/web-server: without `offline` and `consent` no refresh
    #: token is given; `include_granted_scopes` adds this scope to what the account granted us before.
    oauth=OAuthSpec(
        title="Google",
        client="GOOGLE",
        authorize=(AUTH_URL, ""),
        token=(TOKEN_URL, ""),
        scopes=("https://www.googleapis.com/auth/contacts",),
        whose=Whose(place=(API_URL, "/v1/people/me?personFields=emailAddresses"), name=account_name),
        parameters={"access_type": "offline", "prompt": "consent", "include_granted_scopes": "true"},
    ),
)
