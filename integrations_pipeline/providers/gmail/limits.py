"""Gmail's address, which its spec tells. Belongs here: this. Does not: anything that imports more."""

API_URL = "INTEGRATIONS_GMAIL_API_URL"
