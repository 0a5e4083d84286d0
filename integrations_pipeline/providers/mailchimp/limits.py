"""Mailchimp's address, sizes and implicit columns, which its spec tells. Belongs here: these. Does not: anything that
imports more."""

API_URL = "INTEGRATIONS_MAILCHIMP_API_URL"
#: Records per page and per batch (API reference, "Lists" and "Batch subscribe or unsubscribe").
PAGE_SIZE = 1000
WRITE_BATCH = 500
#: Write calls of one run at once, of the 10 requests that an account may have: they share what they read back.
CONCURRENCY = 4
#: The implicit columns, which `field_mapping` does not name.
FIXED = {"email": "email_address", "tags": "tags", "email_opt_out": "status"}
