"""HubSpot CRM contacts, API of 2026-09 (https://developers.hubspot.com/docs). More: docs/providers/hubspot.md."""

from integrations_pipeline.providers.base import Capabilities, ProviderSpec
from integrations_pipeline.providers.hubspot.properties import FIXED
from integrations_pipeline.providers.hubspot.provider import API_URL, HubSpotProvider, HubSpotSettings
from integrations_pipeline.providers.hubspot.wire import BATCH, VERSION
from integrations_pipeline.providers.oauth import OAuthSpec, Whose

AUTH_URL = "INTEGRATIONS_HUBSPOT_AUTH_URL"
TOKEN_URL = "INTEGRATIONS_HUBSPOT_TOKEN_URL"  # noqa: S105 - the name of a variable

PROVIDER = ProviderSpec(
    name="hubspot",
    title="HubSpot",
    capabilities=Capabilities(
        max_batch=BATCH,
        max_concurrency=4,
        max_read_batch=BATCH,
        tells_modified_at=True,
        keeps_refusals=True,
        keeps_contact_key=False,
    ),
    settings_model=HubSpotSettings,
    default_mapping={
        "name": "firstname+lastname",
        "phone": "phone",
        "company": "company",
        "job_title": "jobtitle",
    },
    fixed_mapping=FIXED,
    addresses={
        API_URL: "https://api.hubapi.com",
        AUTH_URL: "https://app.hubspot.com/oauth/authorize",
        TOKEN_URL: f"https://api.hubapi.com/oauth/{VERSION}/token",
    },
    credential_keys=("api_key", "access_token"),
    contacts=HubSpotProvider,
    #: Access tokens last half an hour, and the refresh token stays; redirects over http go to localhost only.
    oauth=OAuthSpec(
        title="HubSpot",
        client="HUBSPOT",
        authorize=(AUTH_URL, ""),
        token=(TOKEN_URL, ""),
        scopes=(
            "oauth",
            "crm.objects.contacts.read",
            "crm.objects.contacts.write",
            "crm.schemas.contacts.read",
            "subscriptions-status-write",
        ),
        uses_pkce=False,
        redirect_host="localhost",
        whose=Whose(place=(API_URL, f"/account-info/{VERSION}/details"), name=lambda told: told["portalId"]),
    ),
)
