"""Mailchimp, Marketing API 3.0 (https://mailchimp.com/developer/marketing/). More: docs/providers/mailchimp.md."""

from collections.abc import Mapping
from typing import Any

import httpx

from integrations_pipeline.errors import RetryableError, WrongAnswerError
from integrations_pipeline.providers.base import Capabilities, ProviderSpec
from integrations_pipeline.providers.bounds import ExceededError
from integrations_pipeline.providers.mailchimp.fields import FIXED
from integrations_pipeline.providers.mailchimp.provider import API_URL, MailchimpProvider, MailchimpSettings
from integrations_pipeline.providers.mailchimp.shapes import METADATA
from integrations_pipeline.providers.mailchimp.wire import CONCURRENCY, WRITE_BATCH
from integrations_pipeline.providers.oauth import OAuthSpec, Whose

OAUTH_URL = "INTEGRATIONS_MAILCHIMP_OAUTH_URL"


def data_centre(http: httpx.Client, address: str, access_token: str) -> Mapping[str, Any]:
    """The data centre of a token's account: GET …/metadata."""
    try:
        answer = http.get(f"{address}/metadata", headers={"Authorization": f"OAuth {access_token}"})
        centre = answer.raise_for_status().json()
        if METADATA.fits(centre):
            return {"dc": centre["dc"]}
        raise WrongAnswerError("Mailchimp did not tell the account's data centre: run the command again")
    except ExceededError as error:
        raise WrongAnswerError(f"{error}: run the command again") from error
    except (httpx.HTTPError, ValueError) as error:
        raise RetryableError("Mailchimp did not tell the account's data centre: run the command again") from error


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
    ),
    settings_model=MailchimpSettings,
    default_mapping={"name": "FNAME+LNAME", "phone": "PHONE", "company": "COMPANY"},
    fixed_mapping=FIXED,
    addresses={
        API_URL: "https://{dc}.api.mailchimp.com",
        OAUTH_URL: "https://login.mailchimp.com/oauth2",
    },
    credential_keys=("api_key", "access_token"),
    contacts=MailchimpProvider,
    #: Tokens never expire, have no scopes and no PKCE.
    oauth=OAuthSpec(
        title="Mailchimp",
        client="MAILCHIMP",
        authorize=(OAUTH_URL, "/authorize"),
        token=(OAUTH_URL, "/token"),
        uses_pkce=False,
        is_refreshable=False,
        describe=data_centre,
        whose=Whose(place=(OAUTH_URL, "/metadata"), name=account_name),
    ),
)
