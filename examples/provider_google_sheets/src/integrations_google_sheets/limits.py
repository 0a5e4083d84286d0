"""What the spec says and every command loads. Belongs here: names. Does not: anything that is imported for them."""

API_URL = "INTEGRATIONS_GOOGLE_SHEETS_API_URL"
