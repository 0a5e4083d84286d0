"""Mailchimp, Marketing API 3.0 (https://mailchimp.com/developer/marketing/). More: docs/providers/mailchimp.md."""

from collections.abc import Mapping
from typing import Any

from integrations_pipeline.providers.base import Capabilities, Later, ProviderSpec
from integrations_pipeline.providers.mailchimp.limits import API_URL, CONCURRENCY, FIXED, WRITE_BATCH
from integrations_pipeline.providers.oauth_spec import OAuthSpec, Whose

OAUTH_URL = "INTEGRATIONS_MAILCHIMP_OAUTH_URL"


def account_name(told: Mapping[str, Any]) -> str:
    """The account, and who logged in to it."""
    return f"{told['accountname']} ({told['login']['email']})"


PROVIDER = ProviderSpec(
    name="mailchimp",
    title="Mailchimp",
    capabilities=Capabilities(
        max_batch=2 * WRITE_BATCH,  # two requests, then one page that tells the new members' ids
        max_concurrency=CONCURRENCY,
        max_read_batch=10 * WRITE_BATCH,
        tells_modified_at=True,
        keeps_refusals=True,
        counts_listings=True,
        keeps_contact_key=False,
        # Whoever leaves the archive has changed since.
        tells_returns=True,
    ),
    settings_model=Later("integrations_pipeline.providers.mailchimp.provider:MailchimpSettings"),
    default_mapping={"name": "FNAME+LNAME", "phone": "PHONE", "company": "COMPANY"},
    fixed_mapping=FIXED,
    addresses={
        API_URL: "https://{dc}.api.mailchimp.com",
        OAUTH_URL: "https://login.mailchimp.com/oauth2",
    },
    credential_keys=("api_key", "access_token"),
    contacts=Later("integrations_pipeline.providers.mailchimp.provider:MailchimpProvider"),
    #: Tokens never expire, have no scopes and no PKCE.
    oauth=OAuthSpec(
        title="Mailchimp",
        client="MAILCHIMP",
        authorize=(OAUTH_URL, "/authorize"),
        token=(OAUTH_URL, "/token"),
        uses_pkce=False,
        is_refreshable=False,
        describe=Later("integrations_pipeline.providers.mailchimp.centre:data_centre"),
        whose=Whose(place=(OAUTH_URL, "/metadata"), name=account_name),
    ),
)
