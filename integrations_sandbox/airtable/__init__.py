"""The sandboxed Airtable: state, cells, formulas, webhooks, limits and its Web API, without sockets."""
