"""HubSpot CRM contacts, API of 2026-09 (https://developers.hubspot.com/docs). More: docs/providers/hubspot.md."""

from integrations_pipeline.providers.base import Capabilities, Later, ProviderSpec
from integrations_pipeline.providers.hubspot.limits import API_URL, BATCH, FIXED, VERSION
from integrations_pipeline.providers.oauth_spec import OAuthSpec, Whose

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
    settings_model=Later("integrations_pipeline.providers.hubspot.provider:HubSpotSettings"),
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
    contacts=Later("integrations_pipeline.providers.hubspot.provider:HubSpotProvider"),
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
