"""The loop that this project replaces: one record at a time is looked up, then inserted or updated.

Written after the README of the original's base class, whose syncs were loops over an array of records. It is kinder
than the original, which asked its database over HTTP: here every statement goes to Postgres directly. Run as
`python -m benchmarks.loop first|again|write PROVIDER ADDRESS DATABASE_URL`. Belongs here: that loop. Does not:
anything done for many at once.
"""

import sys
from typing import Any

import httpx
import psycopg2

from benchmarks.by_hand import LIST_PATH, READERS, TABLE_PATH, cells, merged
from benchmarks.generated_records import FIELDS, member_hash

_TABLE = (
    "create table if not exists loop_contacts (id bigserial primary key, email text unique, name text, phone text, "
    "company text, job_title text)"
)
_SET = ", ".join(f"{name} = %s" for name in FIELDS)


def read(cursor: Any, client: httpx.Client, provider: str) -> None:
    cursor.execute(_TABLE)
    records = [fields for _, fields in READERS[provider](client)]
    for fields in records:
        values = [fields[name] for name in FIELDS]
        cursor.execute("select id from loop_contacts where email = %s", (fields["email"],))
        found = cursor.fetchone()
        if found:
            cursor.execute(f"update loop_contacts set {_SET} where id = %s", [*values, found[0]])
        else:
            cursor.execute(
                f"insert into loop_contacts ({', '.join(FIELDS)}) values (%s, %s, %s, %s, %s)",
                values,
            )


def write(cursor: Any, client: httpx.Client, provider: str) -> None:
    cursor.execute("select id::text, email, name, phone, company, job_title from contacts")
    push = _push_record if provider == "airtable" else _push_member
    for row in cursor.fetchall():
        push(client, row)


def _push_record(client: httpx.Client, row: Any) -> None:
    formula = f"{{Email}} = '{row[1]}'"
    found = client.get(TABLE_PATH, params={"filterByFormula": formula}).json()["records"]
    if found:
        client.patch(f"{TABLE_PATH}/{found[0]['id']}", json={"fields": cells(row)}).raise_for_status()
    else:
        client.post(TABLE_PATH, json={"fields": cells(row)}).raise_for_status()


def _push_member(client: httpx.Client, row: Any) -> None:
    path = f"{LIST_PATH}/members"
    body = {"email_address": row[1], "merge_fields": merged(row)}
    if client.get(f"{path}/{member_hash(row[1])}").is_success:
        client.patch(f"{path}/{member_hash(row[1])}", json=body).raise_for_status()
    else:
        client.post(path, json={**body, "status": "transactional"}).raise_for_status()


def main() -> None:
    action, provider, address, database = sys.argv[1:]
    connection = psycopg2.connect(database)
    connection.autocommit = True
    with httpx.Client(base_url=address) as client, connection.cursor() as cursor:
        (write if action == "write" else read)(cursor, client, provider)
    connection.close()


if __name__ == "__main__":
    main()
