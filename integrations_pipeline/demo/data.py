"""The demonstration's contacts: names from everywhere, odd cases, duplicates, gaps. The same every time.

Belongs here: made-up data. Does not: what is done with it (`story`).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST = (
    "Ann",
    "Björk",
    "Chloé",
    "Dmitri",
    "Élodie",
    "Fatima",
    "Günther",
    "Håkon",
    "Ines",
    "Jürgen",
    "Κώστας",
    "Łucja",
)
LAST = (
    "Smith",
    "Þórsdóttir",
    "Nguyễn",
    "Иванова",
    "O'Brien",
    "García-López",
    "李",
    "Müller",
    "Østergård",
    "da Silva",
)
COMPANIES = ("Nordlys Records", "Café Übersee", "Total & Sons", "Radio Ø", "", "Blue Note, Inc.")
TITLES = ("Editor", "Head of Music", "Produzentin", "", "Journalist", "Booker")
TAGS = ("press", "radio", "playlist", "festival", "VIP", "🎧")

#: Contacts on each side, and how many of them are on both.
PER_SIDE = 500
SHARED = 300


@dataclass(frozen=True, slots=True)
class DemoData:
    """`local` rows by workspace field, `remote` rows by Airtable column."""

    local: Sequence[Mapping[str, str]]
    remote: Sequence[dict[str, object]]


def make_data(slug: str, seed: int) -> DemoData:
    """500 contacts on each side, 300 of them the same people, written a little differently."""
    source = random.Random(seed)
    people = [_person(source, slug, i) for i in range(2 * PER_SIDE - SHARED)]
    local = people[:PER_SIDE]
    remote = [_as_record(source, person) for person in people[PER_SIDE - SHARED :]]
    # Two records share an e-mail, one row is empty, and one contact has no e-mail at all.
    remote[-1] = {**remote[-1], "Email": remote[-2]["Email"]}
    remote[-3] = {}
    local[-SHARED - 1] = {**local[-SHARED - 1], "email": ""}
    return DemoData(local, remote)


def _person(source: random.Random, slug: str, number: int) -> dict[str, str]:
    return {
        "email": f"person{number}@{slug}.example.org",
        "name": f"{source.choice(FIRST)} {source.choice(LAST)} {number}",
        "company": source.choice(COMPANIES),
        "job_title": source.choice(TITLES),
        "phone": f"+44 20 7946 {number:04d}" if source.random() < 0.6 else "",
        "tags": "\x1f".join(source.sample(TAGS, source.randint(0, 3))),
    }


def _as_record(source: random.Random, person: Mapping[str, str]) -> dict[str, object]:
    """The same person in Airtable: some e-mails in capitals, some fields empty, another set of tags."""
    email = person["email"].upper() if source.random() < 0.1 else person["email"]
    record: dict[str, object] = {
        "Name": person["name"],
        "Email": email,
        "Phone": person["phone"] if source.random() < 0.8 else "",
        "Company": person["company"],
        "Job Title": person["job_title"],
        "Tags": source.sample(TAGS, source.randint(0, 2)),
    }
    return {column: value for column, value in record.items() if value}
