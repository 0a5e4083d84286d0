"""Which of the sandbox's addresses stands for which service, by the variable that a client of it reads."""

from collections.abc import Mapping

#: Variable → path. They stand for https://api.airtable.com, https://airtable.com/oauth2/v1,
#: https://us1.api.mailchimp.com, https://login.mailchimp.com/oauth2, https://api.hubapi.com,
#: https://app.hubspot.com/oauth/authorize, https://api.hubapi.com/oauth/2026-09/token, https://gmail.googleapis.com,
#: https://people.googleapis.com, https://accounts.google.com/o/oauth2/v2/auth and https://oauth2.googleapis.com/token.
PATHS: Mapping[str, str] = {
    "INTEGRATIONS_AIRTABLE_API_URL": "/airtable",
    "INTEGRATIONS_AIRTABLE_OAUTH_URL": "/oauth/airtable/oauth2/v1",
    "INTEGRATIONS_MAILCHIMP_API_URL": "/mailchimp",
    "INTEGRATIONS_MAILCHIMP_OAUTH_URL": "/oauth/mailchimp/oauth2",
    "INTEGRATIONS_HUBSPOT_API_URL": "/hubspot",
    "INTEGRATIONS_HUBSPOT_AUTH_URL": "/oauth/hubspot/authorize",
    "INTEGRATIONS_HUBSPOT_TOKEN_URL": "/oauth/hubspot/token",
    "INTEGRATIONS_GMAIL_API_URL": "/gmail",
    "INTEGRATIONS_PEOPLE_API_URL": "/people",
    "INTEGRATIONS_GOOGLE_AUTH_URL": "/oauth/google/auth",
    "INTEGRATIONS_GOOGLE_TOKEN_URL": "/oauth/google/token",
}


def addresses(url: str) -> dict[str, str]:
    """Variable → address, of a sandbox that is reached at this URL."""
    return {name: url + path for name, path in PATHS.items()}
