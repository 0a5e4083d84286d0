"""Contacts in files: CSV and JSON Lines, in and out.

Belongs here: what the cells mean, and writing. Does not: headers (`file_headers`), parsing (`table_files`), the
database.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations_pipeline.cli import file_headers
from integrations_pipeline.cli.file_headers import FIRST, TIME, Column, Layout
from integrations_pipeline.cli.table_files import FileRow, check_unique, open_table
from integrations_pipeline.model import CONSENT_OUT, CUSTOM_PREFIX, clean_text, is_contact_field, join_set, split_set
from integrations_pipeline.store.rows import NOT_OPTED_OUT_WORDS, OPTED_OUT_WORDS, read_opt_out

#: A cell that a spreadsheet would run as a formula, or one that was kept from that: an apostrophe in front makes it
#: text there. Cells that begin with apostrophes of their own get one more, so that none is lost.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFile:
    """A file's contacts, their values as texts, with how the file was read."""

    rows: tuple[FileRow, ...]
    encoding: str
    separator: str = ""
    layout: Layout | None = None
    #: Columns, counted from 1, that the header does not name though there is something in them.
    nameless: tuple[int, ...] = ()

    @property
    def good(self) -> list[FileRow]:
        return [row for row in self.rows if not row.problem]


def read_contacts(path: Path, mapping: Mapping[str, str]) -> ContactFile:
    """Contacts of a `.csv` or `.jsonl` file; `mapping` says what columns hold, by header (`file_headers.lay_out`)."""
    table = open_table(path, lambda header: header in mapping or file_headers.is_known(header))
    if table.header is None:
        rows = tuple(_from_json(row, mapping) for row in table.rows)
        return ContactFile(rows=rows, encoding=table.encoding)
    layout = file_headers.lay_out(table.header, mapping, path.name)
    read = [name for name in table.header if name not in layout.left_out]
    check_unique([name if name in mapping else file_headers.own_field(name) or name for name in read], path.name)
    rows = tuple(_from_csv(row, layout) for row in table.rows)
    return ContactFile(
        rows=rows,
        encoding=table.encoding,
        separator=table.separator,
        layout=layout,
        nameless=tuple(sorted(table.nameless)),
    )


def _from_csv(row: FileRow, layout: Layout) -> FileRow:
    if row.problem:
        return row
    fields: dict[str, str] = {}
    parts = []
    for column in layout.columns:
        value = _cell_value(column, row.fields[column.header])
        if column.is_part:
            parts.append(value)
        else:
            fields[column.field] = _gather(column.field, fields.get(column.field, ""), value)
    if parts:
        fields["name"] = fields.get("name") or " ".join(filter(None, parts))
    return _checked(row.line, fields)


def _cell_value(column: Column, cell: str) -> str:
    text = unguard(cell.strip())
    if column.form == FIRST:
        return text.split(":::")[0].strip()
    if column.form == TIME:
        return CONSENT_OUT if text else ""
    return join_set(file_headers.tags_in(text, column.form)) if column.field == "tags" else text


def _gather(field: str, first: str, second: str) -> str:
    """One value out of those of two columns for the same field."""
    if field == "tags":
        return join_set([*split_set(first), *split_set(second)])
    if field == "email_opt_out" and read_opt_out(first) is False:
        return second or first
    return first or second


def _from_json(row: FileRow, mapping: Mapping[str, str]) -> FileRow:
    if row.problem:
        return row
    told = {name: value for name, value in _json_fields(row.fields, mapping) if name}
    unknown = [name for name in told if not is_contact_field(name)]
    if unknown:
        return FileRow(row.line, {}, f"unknown field {clean_text(unknown[0])!r}")
    return _checked(row.line, {name: value.strip() for name, value in told.items()})


def _json_fields(document: Mapping[str, Any], mapping: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        name = mapping.get(key, file_headers.own_field(key) or key)
        if name == "custom_fields" and isinstance(value, dict):
            yield from ((f"{CUSTOM_PREFIX}{inner}", _text(held)) for inner, held in value.items())
        elif name == "tags":
            members = map(_text, value) if isinstance(value, list) else file_headers.read_tags(_text(value))
            yield name, join_set(members)
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "true"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _checked(line: int, fields: Mapping[str, str]) -> FileRow:
    """The row, cleaned of what no store can hold; an e-mail is judged as it stood there."""
    from integrations_pipeline.mail.addresses import address_problem  # noqa: PLC0415 - lists do without

    problem = address_problem(fields.get("email", "")) or opt_out_problem(fields.get("email_opt_out", ""))
    if not problem and not any(fields.values()):
        problem = "every field is empty"
    cleaned = {clean_text(name): clean_text(value) for name, value in fields.items()}
    return FileRow(line, {} if problem else cleaned, problem)


def opt_out_problem(value: str) -> str:
    """Why this says neither that somebody opted out nor that they did not, or ""."""
    if read_opt_out(value) is not None:
        return ""
    words = f"{', '.join(OPTED_OUT_WORDS)} (opted out), {', '.join(filter(None, NOT_OPTED_OUT_WORDS))} or empty (not)"
    return f"email_opt_out is none of {words}"


def write_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Rows as CSV text in the form that `read_contacts` takes back and that no spreadsheet runs."""
    target = io.StringIO()
    writer = csv.DictWriter(target, columns, lineterminator="\n")
    quoting = csv.DictWriter(target, columns, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for row in rows:
        told = {**row, "tags": file_headers.write_tags(split_set(row.get("tags", "")))}
        cells = {name: guard(value) for name, value in told.items()}
        # A carriage return ends a row for whoever reads it, but is quoted only where rows are written to end with one.
        (quoting if any("\r" in cell for cell in cells.values()) else writer).writerow(cells)
    return target.getvalue()


def guard(cell: str) -> str:
    """A cell as a spreadsheet takes for text."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """The reverse of `guard`."""
    return cell[1:] if _GUARDED.match(cell) else cell


def to_document(row: Mapping[str, str]) -> dict[str, Any]:
    """A contact as JSON: tags as list, opt-out as boolean."""
    return {
        name: split_set(value) if name == "tags" else value == "true" if name == "email_opt_out" else value
        for name, value in row.items()
    }
