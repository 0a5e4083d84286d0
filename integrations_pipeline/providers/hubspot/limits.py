"""HubSpot's address, version, sizes and fixed fields, which its spec tells. Belongs here: these. Does not: anything
that imports more."""

API_URL = "INTEGRATIONS_HUBSPOT_API_URL"
#: The date-based version that everything is asked of; the numbered ones end in 2027.
VERSION = "2026-09"
#: Contacts per batch.
BATCH = 100
#: Fields that HubSpot keeps in a place of its own.
FIXED = {"email": "email", "email_opt_out": "hs_email_optout"}
