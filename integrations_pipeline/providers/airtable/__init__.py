"""Airtable, Web API v0 (https://airtable.com/developers/web/api). More: docs/providers/airtable.md."""

from integrations_pipeline.providers.airtable.limits import API_URL, PAGE_SIZE, WRITE_BATCH
from integrations_pipeline.providers.base import Capabilities, Later, ProviderSpec
from integrations_pipeline.providers.oauth_spec import OAuthSpec, Whose

OAUTH_URL = "INTEGRATIONS_AIRTABLE_OAUTH_URL"

PROVIDER = ProviderSpec(
    name="airtable",
    title="Airtable",
    capabilities=Capabilities(
        max_batch=WRITE_BATCH,
        max_concurrency=4,
        max_read_batch=PAGE_SIZE,
    ),
    settings_model=Later("integrations_pipeline.providers.airtable.provider:AirtableSettings"),
    default_mapping={
        "name": "Name",
        "email": "Email",
        "phone": "Phone",
        "company": "Company",
        "job_title": "Job Title",
        "tags": "Tags",
    },
    addresses={
        API_URL: "https://api.airtable.com",
        OAUTH_URL: "https://airtable.com/oauth2/v1",
    },
    credential_keys=("api_key", "access_token"),
    contacts=Later("integrations_pipeline.providers.airtable.provider:AirtableProvider"),
    #: https://airtable.com/developers/web/api/oauth-reference; redirects over http go to localhost only.
    oauth=OAuthSpec(
        title="Airtable",
        client="AIRTABLE",
        authorize=(OAUTH_URL, "/authorize"),
        token=(OAUTH_URL, "/token"),
        scopes=("data.records:read", "data.records:write", "schema.bases:read", "webhook:manage"),
        uses_basic=True,
        redirect_host="localhost",
        # The address only with a scope that nothing else needs.
        whose=Whose(place=(API_URL, "/v0/meta/whoami"), name=lambda told: told.get("email") or told["id"]),
    ),
)
