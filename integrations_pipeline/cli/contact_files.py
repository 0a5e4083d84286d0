"""Contacts in files: CSV and JSON Lines, in and out.

Belongs here: what the columns mean, and writing. Does not: parsing (`table_files`), the database.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.headerregistry import Address
from pathlib import Path
from typing import Any

from integrations_pipeline.cli.table_files import Columns, FileRow, read_table
from integrations_pipeline.model import CUSTOM_PREFIX, clean_text, is_contact_field, join_set, split_set

TAG_SEPARATOR = "|"


COLUMNS = Columns(
    is_known=is_contact_field,
    told="email, name, company, job_title, phone, tags, email_opt_out and custom_fields.KEY",
)


def read_rows(path: Path) -> Iterator[FileRow]:
    """Contacts of a `.csv` or `.jsonl` file, their values as texts."""
    is_csv = path.suffix.lower() == ".csv"
    return (_checked(row, is_csv=is_csv) for row in read_table(path, COLUMNS))


def _csv_value(name: str, cell: str) -> str:
    return join_set(cell.split(TAG_SEPARATOR)) if name == "tags" else cell


def _json_fields(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        if name == "custom_fields" and isinstance(value, dict):
            yield from ((f"{CUSTOM_PREFIX}{key}", _text(inner)) for key, inner in value.items())
        elif name == "tags" and isinstance(value, list):
            yield name, join_set(map(_text, value))
        elif name == "tags":
            yield name, join_set(_text(value).split(TAG_SEPARATOR))
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "true"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _checked(row: FileRow, *, is_csv: bool) -> FileRow:
    if row.problem:
        return row
    told = {name: _csv_value(name, cell) for name, cell in row.fields.items()} if is_csv else _json_fields(row.fields)
    fields = {name: clean_text(value).strip() for name, value in dict(told).items()}
    unknown = [name for name in fields if not is_contact_field(name)]
    problem = f"unknown field {unknown[0]!r}" if unknown else email_problem(fields.get("email", ""))
    if not problem and not any(fields.values()):
        problem = "every field is empty"
    return FileRow(row.line, {} if problem else fields, problem)


def email_problem(email: str) -> str:
    """Why this is no e-mail address, or ""; empty is allowed. The address itself is not repeated."""
    if not email:
        return ""
    try:
        is_address = "@" in email and bool(Address(addr_spec=email).domain)
    except (ValueError, IndexError):
        is_address = False
    return "" if is_address else "email is no address"


def write_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Rows as CSV text in the form that `read_rows` takes back."""
    target = io.StringIO()
    writer = csv.DictWriter(target, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "tags": TAG_SEPARATOR.join(split_set(row.get("tags", "")))})
    return target.getvalue()


def to_document(row: Mapping[str, str]) -> dict[str, Any]:
    """A contact as JSON: tags as list, opt-out as boolean."""
    return {
        name: split_set(value) if name == "tags" else value == "true" if name == "email_opt_out" else value
        for name, value in row.items()
    }
