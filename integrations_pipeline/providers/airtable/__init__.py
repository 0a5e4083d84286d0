"""Airtable, Web API v0 (https://airtable.com/developers/web/api). More: docs/providers/airtable.md."""

from integrations_pipeline.providers.airtable.provider import API_URL, AirtableProvider, AirtableSettings
from integrations_pipeline.providers.airtable.wire import PAGE_SIZE, WRITE_BATCH
from integrations_pipeline.providers.base import Capabilities, ProviderSpec

PROVIDER = ProviderSpec(
    name="airtable",
    title="Airtable",
    capabilities=Capabilities(
        max_batch=WRITE_BATCH,
        max_concurrency=4,
        max_read_batch=PAGE_SIZE,
    ),
    settings_model=AirtableSettings,
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
        "INTEGRATIONS_AIRTABLE_OAUTH_URL": "https://airtable.com/oauth2/v1",
    },
    credential_keys=("api_key", "access_token"),
    build=AirtableProvider,
)
