"""The least that a full read can cost: every page by httpx, its JSON parsed, its rows sent by COPY, compared in SQL.

Run as `python -m benchmarks.by_hand PROVIDER ADDRESS DATABASE_URL`; prints how many records differ from their links.
Belongs here: that program, as somebody would write it for this one server. Does not: errors, limits, deletes.
"""

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg2

_AIRTABLE = {"name": "Name", "email": "Email", "phone": "Phone", "company": "Company", "job_title": "Job Title"}
_MAILCHIMP = {"phone": "PHONE", "company": "COMPANY"}


def airtable(client: httpx.Client) -> Iterator[tuple[str, dict[str, str]]]:
    offset = None
    while True:
        params = {"pageSize": "100"} | ({"offset": offset} if offset else {})
        body = json.loads(client.get("/v0/appGenerated/tblGenerated00000", params=params).content)
        for record in body["records"]:
            cells = record["fields"]
            yield record["id"], {name: cells.get(column, "") for name, column in _AIRTABLE.items()}
        offset = body.get("offset")
        if not offset:
            return


def mailchimp(client: httpx.Client) -> Iterator[tuple[str, dict[str, str]]]:
    start, total = 0, 1
    while start < total:
        body = json.loads(
            client.get("/3.0/lists/generated/members", params={"offset": str(start), "count": "1000"}).content
        )
        for member in body["members"]:
            values = member["merge_fields"]
            yield (
                member["contact_id"],
                {name: values[tag] for name, tag in _MAILCHIMP.items()}
                | {"email": member["email_address"], "name": f"{values['FNAME']} {values['LNAME']}"},
            )
        start, total = start + len(body["members"]), body["total_items"]


def main() -> None:
    provider, address, database = sys.argv[1:]
    read = airtable if provider == "airtable" else mailchimp
    with httpx.Client(base_url=address) as client, psycopg2.connect(database) as connection:
        rows: Any = io.StringIO("".join(f"{key}\t{json.dumps(fields)}\n" for key, fields in read(client)))
        with connection.cursor() as cursor:
            cursor.execute("create temporary table told (external_id text, fields jsonb)")
            cursor.copy_expert("copy told from stdin", rows)
            cursor.execute(
                "select count(*) from told t left join integration_links l using (external_id) "
                "where l.base is null or not l.base @> t.fields"
            )
            print(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
