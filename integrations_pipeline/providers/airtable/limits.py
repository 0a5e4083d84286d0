"""Airtable's address and sizes, which its spec tells. Belongs here: these. Does not: anything that imports more."""

API_URL = "INTEGRATIONS_AIRTABLE_API_URL"
#: Records per page and per write request.
PAGE_SIZE = 100
WRITE_BATCH = 10
