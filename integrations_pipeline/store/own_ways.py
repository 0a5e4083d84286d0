"""What every session is set to, whatever the server, the database or its user has by default.

Belongs here: settings that our statements rely on, and a connection that has them. Does not: roles, workspaces, how
long a statement may take, and whether it may write, which are for whoever runs the server to say.
"""

from typing import Any

import psycopg2

#: A command, a monitor's above all, does not wait for ever where somebody forgot a locked table: so long, where the
#: server has no limit of its own.
LOCK_WAIT = "60s"
#: Names are our tables (what comes after them in a path is its owner's business), policies hold, and texts of times,
#: sets and numbers lose nothing. Set anew after a `reset all`: as options of the connection they would last, but no
#: pooler takes them.
OWN_WAYS = (
    "select set_config('search_path', 'public', false) where current_setting('search_path') !~ '^public(,|$)'; "
    "set row_security = on; set datestyle = ISO; set intervalstyle = postgres; "
    "set extra_float_digits = 1; set transform_null_equals = off; set array_nulls = on; "
    "set default_transaction_isolation = 'read committed'; "
    f"select set_config('lock_timeout', '{LOCK_WAIT}', false) where current_setting('lock_timeout') = '0'"
)
#: How texts are quoted the driver decides when it connects: this one is an option, where it is not so already.
_PLAIN_BACKSLASHES = "-c standard_conforming_strings=on"


def connect(options: dict[str, Any]) -> Any:
    """A psycopg2 connection that is our own way from its first statement on."""
    opened = psycopg2.connect(**options)
    if opened.get_parameter_status("standard_conforming_strings") != "on":
        opened.close()
        given = f"{options.get('options') or ''} {_PLAIN_BACKSLASHES}".strip()
        opened = psycopg2.connect(**{**options, "options": given})
    return opened


def set_own_ways(opened: Any) -> None:
    """In a transaction of its own."""
    opened.autocommit = True
    try:
        with opened.cursor() as cursor:
            cursor.execute(OWN_WAYS)
    finally:
        if not opened.closed:
            opened.autocommit = False
