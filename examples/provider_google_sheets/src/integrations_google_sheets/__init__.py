"""Google Sheets, API v4 (https://developers.google.com/workspace/sheets/api), for integrations-pipeline.

Limits: 60 reads and 60 writes per minute and user, 300 of each per project; 10 million cells per spreadsheet, 50,000
characters per cell. Oddities: rows have no ids and no times, no feed tells changes, answers leave out empty cells at
the end of a row, a write names its row by a number that a person may move meanwhile. More: README.md.
"""

from integrations_google_sheets.limits import API_URL
from integrations_pipeline.providers.base import Capabilities, Later, ProviderSpec
from integrations_pipeline.providers.oauth_spec import OAuthSpec

TOKEN_URL = "INTEGRATIONS_GOOGLE_TOKEN_URL"  # noqa: S105 - the name of a variable
AUTH_URL = "INTEGRATIONS_GOOGLE_AUTH_URL"

PROVIDER = ProviderSpec(
    name="google_sheets",
    title="Google Sheets",
    capabilities=Capabilities(
        max_batch=500,
        # Our own writes would move rows for one another.
        max_concurrency=1,
        # A read is of the whole sheet, however few rows it is for.
        max_read_batch=5_000,
        propagation_seconds=5.0,
    ),
    settings_model=Later("integrations_google_sheets.provider:SheetsSettings"),
    default_mapping={
        "name": "Name",
        "email": "Email",
        "phone": "Phone",
        "company": "Company",
        "job_title": "Job Title",
        "tags": "Tags",
    },
    addresses={
        API_URL: "https://sheets.googleapis.com",
        TOKEN_URL: "https://oauth2.googleapis.com/token",
        AUTH_URL: "https://accounts.google.com/o/oauth2/v2/auth",
    },
    credential_keys=("access_token", "refresh_token"),
    contacts=Later("integrations_google_sheets.provider:SheetsProvider"),
    oauth=OAuthSpec(
        title="Google",
        client="GOOGLE",
        authorize=(AUTH_URL, ""),
        token=(TOKEN_URL, ""),
        scopes=("https://www.googleapis.com/auth/spreadsheets",),
        parameters={"access_type": "offline", "prompt": "consent", "include_granted_scopes": "true"},
    ),
)
