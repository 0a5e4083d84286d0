"""The records of the generated server: those it makes up, and those that were written to it.

Belongs here: their shapes, as Airtable and Mailchimp tell them, and what arrived, to be checked. Does not: HTTP
(`generated`).
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

#: What every contender brings across, in this order.
FIELDS = ("email", "name", "phone", "company", "job_title")
COLUMNS = {"email": "Email", "name": "Name", "phone": "Phone", "company": "Company", "job_title": "Job Title"}
MERGE_FIELDS = ("FNAME", "LNAME", "PHONE", "COMPANY")
LIST_ID = "generated"
#: Members were last changed one after the other, so many in a second.
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
IN_A_SECOND = 10

Values = Mapping[str, str]


def person(n: int, *, has_job: bool = True) -> dict[str, str]:
    """The values of one contact by `FIELDS`; Mailchimp's audience has no job title."""
    return {
        "email": f"person{n}@example.org",
        "name": f"Person {n}",
        "phone": f"+49 30 {n}",
        "company": f"Acme {n % 99}",
        "job_title": "Editor" if has_job else "",
    }


def airtable_record(n: int) -> dict[str, Any]:
    return _record(n, {COLUMNS[name]: value for name, value in person(n).items()})


def mailchimp_member(n: int) -> dict[str, Any]:
    values = person(n)
    merged = {"FNAME": "Person", "LNAME": str(n), "PHONE": values["phone"], "COMPANY": values["company"]}
    return _member(n, values["email"], merged, BEGAN + timedelta(seconds=n // IN_A_SECOND), "transactional")


def digest(rows: Iterable[Sequence[str]]) -> str:
    """The same for the same rows in any order; `read.ANSWER_DIGEST` is the same in SQL."""
    lines = sorted("|".join(row).encode() for row in rows)
    return hashlib.md5(b"\n".join(lines), usedforsecurity=False).hexdigest()


def expected(count: int, provider: str) -> str:
    """The digest of everybody at a provider, or of the contacts that are to be brought there."""
    return digest(tuple(person(n, has_job=provider == "airtable").values()) for n in range(count))


def member_hash(address: str) -> str:
    return hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest()


class Written:
    """What was written since the server began or forgot: Airtable's records, Mailchimp's members."""

    def __init__(self, first: int) -> None:
        #: The number of the first one; those before it are made up.
        self.first = first
        self.records: dict[str, dict[str, Any]] = {}
        self.members: dict[str, dict[str, Any]] = {}
        self._by_email: dict[str, str] = {}
        self._by_key: dict[str, str] = {}
        self._changed: list[str] = []

    def put_record(self, fields: Mapping[str, Any], record_id: str | None = None, key: str | None = None) -> Any:
        """A record updated by its id, or by the value of a key column, or made."""
        known = record_id or (self._by_key.get(f"{key}:{fields.get(key)}") if key else None)
        record = self.records.get(known or "") or _record(self.first + len(self.records), {})
        record["fields"] |= fields
        self.records[record["id"]] = record
        self._by_email[str(record["fields"].get("Email", "")).lower()] = record["id"]
        if key:
            self._by_key[f"{key}:{fields.get(key)}"] = record["id"]
        return record

    def records_with(self, formula: str) -> list[dict[str, Any]]:
        """Those whose e-mail stands in the formula; whatever else is asked for, nothing of it changed."""
        found = (self._by_email.get(part.lower()) for part in formula.replace('"', "'").split("'") if "@" in part)
        return [self.records[each] for each in found if each]

    def put_member(self, told: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """A member by its address, and whether it is new."""
        address = str(told["email_address"])
        key = member_hash(address)
        known = self.members.get(key)
        member = known or self._new_member(address, str(told.get("status_if_new") or told.get("status")))
        member["merge_fields"] |= told.get("merge_fields") or {}
        self.members[key] = member
        return member, known is None

    def _new_member(self, address: str, status: str) -> dict[str, Any]:
        changed = datetime.now(UTC).replace(microsecond=0)
        member = _member(self.first + len(self.members), address, dict.fromkeys(MERGE_FIELDS, ""), changed, status)
        self._changed.append(member["last_changed"])
        return member

    def position(self, moment: str, *, past: bool) -> int:
        """How many members were written up to that moment (`past`), or before it."""
        wanted = datetime.fromisoformat(moment).astimezone(UTC).isoformat()
        return bisect_right(self._changed, wanted) if past else bisect_left(self._changed, wanted)

    def answer(self) -> dict[str, Any]:
        """How many arrived, and the digest of their values."""
        rows = [
            [str(record["fields"].get(COLUMNS[name], "")) for name in FIELDS] for record in self.records.values()
        ] + [_row_of(member) for member in self.members.values()]
        return {"records": len(rows), "digest": digest(rows)}


def _row_of(member: Mapping[str, Any]) -> list[str]:
    values = member["merge_fields"]
    name = f"{values['FNAME']} {values['LNAME']}".strip()
    return [member["email_address"], name, values["PHONE"], values["COMPANY"], ""]


def _record(n: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"rec{n:014d}", "createdTime": "2026-01-01T00:00:00.000Z", "fields": fields}


def _member(n: int, address: str, merged: dict[str, str], changed: datetime, status: str) -> dict[str, Any]:
    return {
        "id": member_hash(address),
        "contact_id": f"{n:032x}",
        "list_id": LIST_ID,
        "email_address": address,
        "status": status,
        "merge_fields": merged,
        "tags": [],
        "tags_count": 0,
        "last_changed": changed.isoformat(),
        "timestamp_opt": "",
        "ip_opt": "",
    }
