"""The clients that a Python program would use at each provider: pyairtable and mailchimp-marketing, with COPY.

Run as `python -m benchmarks.peers_clients ACTION PROVIDER ADDRESS DATABASE_URL`; ACTION is `first` or `again` (all
records replace the table), `write`, or `write_each` (a PUT per member). Belongs here: their documented ways for many
records. Does not: comparing, conflicts, deletes, which they leave to their caller.
"""

import io
import json
import sys
from collections.abc import Iterable
from typing import Any

import mailchimp_marketing
import psycopg2
from pyairtable import Api

from benchmarks.by_hand import cells, merged
from benchmarks.generated_records import COLUMNS, member_hash

_LIST = "generated"
_AT_ONCE = 500


def _table(address: str) -> Any:
    return Api("patBenchmark", endpoint_url=address).table("appGenerated", "tblGenerated00000")


def _lists(address: str) -> Any:
    client = mailchimp_marketing.Client({"api_key": "key-us1"})
    client.api_client.host = f"{address}/3.0"
    return client.lists


def read_airtable(address: str) -> list[tuple[str, dict[str, str]]]:
    return [
        (record["id"], {name: record["fields"].get(column, "") for name, column in COLUMNS.items()})
        for record in _table(address).all()
    ]


def read_mailchimp(address: str) -> list[tuple[str, dict[str, str]]]:
    lists, total = _lists(address), 1
    found: list[tuple[str, dict[str, str]]] = []
    while len(found) < total:
        page = lists.get_list_members_info(_LIST, count=1000, offset=len(found))
        found += [(member["contact_id"], _values(member)) for member in page["members"]]
        total = page["total_items"]
    return found


def _values(member: Any) -> dict[str, str]:
    told = member["merge_fields"]
    name = f"{told['FNAME']} {told['LNAME']}"
    values = {"email": member["email_address"], "name": name, "phone": told["PHONE"], "company": told["COMPANY"]}
    return values | {"job_title": ""}


def write_airtable(address: str, rows: Iterable[Any]) -> None:
    _table(address).batch_upsert([{"fields": cells(row)} for row in rows], key_fields=["Contact ID"])


def write_mailchimp(address: str, rows: list[Any]) -> None:
    lists = _lists(address)
    for start in range(0, len(rows), _AT_ONCE):
        members = [
            {"email_address": row[1], "status_if_new": "transactional", "merge_fields": merged(row)}
            for row in rows[start : start + _AT_ONCE]
        ]
        lists.batch_list_members(_LIST, {"members": members, "update_existing": True})


def write_each(address: str, rows: list[Any]) -> None:
    lists = _lists(address)
    for row in rows:
        member = {"email_address": row[1], "status_if_new": "transactional", "merge_fields": merged(row)}
        lists.set_list_member(_LIST, member_hash(row[1]), member)


def store(cursor: Any, told: Iterable[tuple[str, dict[str, str]]]) -> None:
    cursor.execute("create table if not exists peers_clients (external_id text primary key, fields jsonb)")
    cursor.execute("truncate peers_clients")
    rows = io.StringIO("".join(f"{key}\t{json.dumps(fields)}\n" for key, fields in told))
    cursor.copy_expert("copy peers_clients from stdin", rows)


def main() -> None:
    action, provider, address, database = sys.argv[1:]
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        if action in ("first", "again"):
            store(cursor, (read_airtable if provider == "airtable" else read_mailchimp)(address))
            return
        cursor.execute("select id::text, email, name, phone, company, job_title from contacts")
        rows = cursor.fetchall()
    if action == "write_each":
        write_each(address, rows)
    else:
        (write_airtable if provider == "airtable" else write_mailchimp)(address, rows)


if __name__ == "__main__":
    main()
