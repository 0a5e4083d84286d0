"""Google Contacts' address, sizes and delay, which its spec tells. Belongs here: these. Does not: anything that imports
more."""

API_URL = "INTEGRATIONS_PEOPLE_API_URL"
#: Contacts on a page of `connections.list`, and in one call of `batchCreateContacts`, `batchUpdateContacts`,
#: `getBatchGet` (200 each); `batchDeleteContacts` would take 500.
PAGE_SIZE, BATCH = 1000, 200
#: "Writes may have a propagation delay of several minutes for sync requests."
PROPAGATION_SECONDS = 600.0
