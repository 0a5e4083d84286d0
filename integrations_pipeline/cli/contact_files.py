"""Contacts in files: CSV and JSON Lines, in and out.

Belongs here: parsing and writing; a row that cannot be read is reported by its line and the rest goes on.
Does not: the database.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from pathlib import Path
from typing import Any

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import CUSTOM_PREFIX, clean_text, is_contact_field, join_set, split_set

TAG_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row: its line, and either its fields or what is wrong with it."""

    line: int
    fields: Mapping[str, str]
    problem: str = ""


def read_rows(path: Path) -> Iterator[FileRow]:
    """Rows of a `.csv` or `.jsonl` file (UTF-8). A file that cannot be read at all is a `ConfigurationError`."""
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise ConfigurationError(f"{path.name}: expected a .csv or .jsonl file")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path.name}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    rows = _csv_rows(text, path.name) if path.suffix.lower() == ".csv" else _json_rows(text)
    return (_checked(row) for row in rows)


def _csv_rows(text: str, name: str) -> Iterator[FileRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise ConfigurationError(f"{name}: the header is malformed ({error})") from None
    _check_header(header, name)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # After a broken quote nobody knows where the next row begins.
            yield FileRow(line, {}, f"malformed ({error}); this row and those after it are not imported")
            return
        if not cells:
            continue
        if len(cells) != len(header):
            yield FileRow(line, {}, f"has {len(cells)} cells, the header has {len(header)}")
            continue
        yield FileRow(line, {name: _csv_value(name, cell) for name, cell in zip(header, cells, strict=True)})


def _check_header(header: Sequence[str], name: str) -> None:
    unknown = [column for column in header if not is_contact_field(column)]
    if not header or unknown:
        what = f"unknown column {unknown[0]!r}" if unknown else "no header"
        raise ConfigurationError(
            f"{name}: {what}; columns are email, name, company, job_title, phone, tags, email_opt_out "
            "and custom_fields.KEY"
        )
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise ConfigurationError(f"{name}: column {twice[0]!r} stands twice in the header")


def _csv_value(name: str, cell: str) -> str:
    return join_set(cell.split(TAG_SEPARATOR)) if name == "tags" else cell


def _json_rows(text: str) -> Iterator[FileRow]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            yield FileRow(line, {}, f"no JSON: {getattr(error, 'msg', type(error).__name__)}")
            continue
        if not isinstance(document, dict):
            yield FileRow(line, {}, "no JSON object")
            continue
        yield FileRow(line, dict(_json_fields(document)))


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


def _checked(row: FileRow) -> FileRow:
    if row.problem:
        return row
    fields = {name: clean_text(value).strip() for name, value in row.fields.items()}
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
