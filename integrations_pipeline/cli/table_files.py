"""Tables in files: CSV and JSON Lines, read row by row.

Belongs here: parsing; a row that cannot be read is reported by its line and the rest goes on. Does not: what
the columns mean (`contact_files`, `pitches`).
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations_pipeline.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row: its line, and either its fields or what is wrong with it. Values are texts from CSV, and what
    stood there from JSON."""

    line: int
    fields: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns a file may have, and how to say so."""

    is_known: Callable[[str], bool]
    told: str


def read_table(path: Path, columns: Columns) -> Iterator[FileRow]:
    """Rows of a `.csv` or `.jsonl` file (UTF-8). A file that cannot be read at all is a `ConfigurationError`."""
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise ConfigurationError(f"{path.name}: expected a .csv or .jsonl file")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path.name}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    return _csv_rows(text, path.name, columns) if path.suffix.lower() == ".csv" else _json_rows(text)


def _csv_rows(text: str, name: str, columns: Columns) -> Iterator[FileRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise ConfigurationError(f"{name}: the header is malformed ({error})") from None
    _check_header(header, name, columns)
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
        yield FileRow(line, dict(zip(header, cells, strict=True)))


def _check_header(header: Sequence[str], name: str, columns: Columns) -> None:
    unknown = [column for column in header if not columns.is_known(column)]
    if not header or unknown:
        what = f"unknown column {unknown[0]!r}" if unknown else "no header"
        raise ConfigurationError(f"{name}: {what}; columns are {columns.told}")
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise ConfigurationError(f"{name}: column {twice[0]!r} stands twice in the header")


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
        yield FileRow(line, document)
