"""The page at `/`, which says what this server is and how to use it."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox</title></head>
<body style="font: 16px/1.5 system-ui; max-width: 46rem; margin: 2rem auto; padding: 0 1rem">
<h1>Sandbox</h1>
<p>This server imitates the providers that contacts are synced with. It runs on this machine only, holds
invented data, and forgets everything when it stops.</p>
__GUIDES__
<h2>Control</h2>
<p>Everything takes and gives JSON; a refusal is <code>{"error": {"type", "message"}}</code>.</p>
<pre>
__ROUTES__
</pre>
<p>Start like this:</p>
<pre>
curl -X POST THIS-HOST/sandbox/airtable/bases -d '{"name": "CRM", "contacts_table": "Contacts"}'
</pre>
</body></html>
"""


def render(guides: list[str], routes: list[str]) -> str:
    return _PAGE.replace("__GUIDES__", "\n".join(guides)).replace("__ROUTES__", "\n".join(routes))
