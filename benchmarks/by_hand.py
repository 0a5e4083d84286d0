"""The least that it can cost, as somebody would write it for this one server: every page by httpx, its JSON parsed,
rows by COPY, compared in SQL; writes in the largest requests.

Run as `python -m benchmarks.by_hand first|again|write PROVIDER ADDRESS DATABASE_URL`; `again` prints how many records
differ. Belongs here: that program. Does not: errors, limits, deletes, edits on the other side.
"""

import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import httpx
import psycopg2

from benchmarks.generated_records import COLUMNS

TABLE_PATH = "/v0/appGenerated/tblGenerated00000"
LIST_PATH = "/3.0/lists/generated"
_MERGED = {"phone": "PHONE", "company": "COMPANY"}
_AT_ONCE = {"airtable": 10, "mailchimp": 500}


def airtable(client: httpx.Client) -> Iterator[tuple[str, dict[str, str]]]:
    offset = None
    while True:
        params = {"pageSize": "100"} | ({"offset": offset} if offset else {})
        body = json.loads(client.get(TABLE_PATH, params=params).content)
        for record in body["records"]:
            cells = record["fields"]
            yield record["id"], {name: cells.get(column, "") for name, column in COLUMNS.items()}
        offset = body.get("offset")
        if not offset:
            return


def mailchimp(client: httpx.Client) -> Iterator[tuple[str, dict[str, str]]]:
    start, total = 0, 1
    while start < total:
        body = json.loads(client.get(f"{LIST_PATH}/members", params={"offset": str(start), "count": "1000"}).content)
        for member in body["members"]:
            values = member["merge_fields"]
            yield (
                member["contact_id"],
                {name: values[tag] for name, tag in _MERGED.items()}
                | {"email": member["email_address"], "name": f"{values['FNAME']} {values['LNAME']}", "job_title": ""},
            )
        start, total = start + len(body["members"]), body["total_items"]


READERS = {"airtable": airtable, "mailchimp": mailchimp}


def merged(row: Sequence[str]) -> dict[str, str]:
    """A contact's row (id, `FIELDS`) as Mailchimp's merge fields."""
    first, _, last = row[2].partition(" ")
    return {"FNAME": first, "LNAME": last, "PHONE": row[3], "COMPANY": row[4]}


def cells(row: Sequence[str]) -> dict[str, str]:
    """The same as Airtable's cells."""
    return {"Contact ID": row[0], **dict(zip(COLUMNS.values(), row[1:], strict=True))}


def read(cursor: Any, told: Iterable[tuple[str, dict[str, str]]], action: str) -> None:
    rows = io.StringIO("".join(f"{key}\t{json.dumps(fields)}\n" for key, fields in told))
    cursor.execute("create temporary table told (external_id text, fields jsonb)")
    cursor.copy_expert("copy told from stdin", rows)
    if action == "first":
        cursor.execute("create table by_hand (external_id text primary key, fields jsonb)")
        cursor.execute("insert into by_hand select external_id, fields from told")
        return
    cursor.execute(
        "select count(*) from told t left join by_hand h using (external_id) "
        "where h.fields is null or not h.fields @> t.fields"
    )
    print(cursor.fetchone()[0])


def write(cursor: Any, client: httpx.Client, provider: str) -> None:
    cursor.execute("select id::text, email, name, phone, company, job_title from contacts")
    rows = cursor.fetchall()
    for start in range(0, len(rows), _AT_ONCE[provider]):
        chosen = rows[start : start + _AT_ONCE[provider]]
        if provider == "airtable":
            upsert = {"fieldsToMergeOn": ["Contact ID"]}
            body = {"performUpsert": upsert, "records": [{"fields": cells(row)} for row in chosen]}
            client.patch(TABLE_PATH, json=body).raise_for_status()
        else:
            members = [
                {"email_address": row[1], "status_if_new": "transactional", "merge_fields": merged(row)}
                for row in chosen
            ]
            client.post(LIST_PATH, json={"members": members, "update_existing": True}).raise_for_status()


def main() -> None:
    action, provider, address, database = sys.argv[1:]
    with (
        httpx.Client(base_url=address) as client,
        psycopg2.connect(database) as connection,
        connection.cursor() as cursor,
    ):
        if action == "write":
            write(cursor, client, provider)
        else:
            read(cursor, READERS[provider](client), action)


if __name__ == "__main__":
    main()
