"""Tables in files: CSV and JSON Lines, read row by row.

Belongs here: parsing, as spreadsheets and other programs write it: their encodings and separators are told from the
file. A row that cannot be read is reported by its line and the rest goes on. Does not: what the columns mean
(`contact_files`, `file_headers`, `pitches`).
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations_pipeline.errors import ConfigurationError

_TABLES = (".csv", ".tsv", ".txt")
_LINES = ".jsonl"
#: Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = (",", ";", "\t")
#: What Excel takes for the separator, whatever the country: a first line before the header.
_TOLD_SEPARATOR = re.compile(r"\A\"?sep=(.)\"?\r?\n", re.IGNORECASE)
#: Bytes that tell UTF-16 without a mark from anything else.
_SAMPLE = 1_000


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file's rows, once. `header` is None for JSON Lines, where each row names its own fields; a column without
    a name has "" there, and its cells are left out."""

    header: tuple[str, ...] | None
    rows: Iterator[FileRow]
    encoding: str
    separator: str = ""
    #: Columns, counted from 1, whose cells were left out, as far as the rows were read.
    nameless: Set[int] = frozenset()


def read_table(path: Path, columns: Columns) -> Iterator[FileRow]:
    """Rows of a file whose columns are just these. A file that cannot be read at all is a `ConfigurationError`."""
    table = open_table(path, columns.is_known)
    if table.header is not None:
        unknown = [column for column in table.header if column and not columns.is_known(column)]
        if unknown:
            raise ConfigurationError(f"{path.name}: unknown column {unknown[0]!r}; columns are {columns.told}")
        check_unique(table.header, path.name)
    return table.rows


def open_table(path: Path, is_known: Callable[[str], bool]) -> Table:
    """A `.csv` or `.jsonl` file; columns that are known tell which character separates them.

    The encoding is that of the file's byte order mark, else UTF-8, else Windows-1252, in which Excel saves CSV.
    """
    ending = path.suffix.lower()
    if ending not in (*_TABLES, _LINES):
        raise ConfigurationError(f"{path.name}: expected a .csv or .jsonl file")
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {getattr(error, 'strerror', None) or 'no file name'}") from error
    text, encoding = _decode(content, path.name)
    if ending == _LINES:
        return Table(header=None, rows=_json_rows(text), encoding=encoding)
    return _csv_table(text, encoding, path.name, is_known)


def check_unique(columns: Sequence[str], name: str) -> None:
    """Refuse a header in which a column that is read stands twice: nobody can tell which one is meant."""
    twice = [column for column in columns if column and columns.count(column) > 1]
    if twice:
        raise ConfigurationError(f"{name}: column {twice[0]!r} stands twice in the header")


def _decode(content: bytes, name: str) -> tuple[str, str]:
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), _unmarked(content))
    for each in (encoding, "cp1252"):
        try:
            return content.decode(each), "utf-8" if each == "utf-8-sig" else each
        except UnicodeDecodeError:
            if each != "utf-8":
                break
    raise ConfigurationError(f"{name}: neither UTF-8 nor another encoding that is known; save it as UTF-8")


def _unmarked(content: bytes) -> str:
    """UTF-16 is known by its zeros, every other byte of Western text."""
    sample = content[:_SAMPLE]
    first, second = sample[::2].count(0), sample[1::2].count(0)
    if max(first, second) * 3 < len(sample):
        return "utf-8"
    return "utf-16-be" if first > second else "utf-16-le"


def _csv_table(text: str, encoding: str, name: str, is_known: Callable[[str], bool]) -> Table:
    told = _TOLD_SEPARATOR.match(text)
    skipped = 1 if told else 0
    body = text[told.end() :] if told else text
    separator = told[1] if told else _separator(body, is_known)
    # Without it a long cell would be taken for a broken file, and end the import there.
    csv.field_size_limit(max(csv.field_size_limit(), len(body)))
    reader = csv.reader(io.StringIO(body, newline=""), strict=True, delimiter=separator)
    try:
        header = tuple(column.strip() for column in next(reader, []))
    except csv.Error as error:
        raise ConfigurationError(f"{name}: the header is malformed ({error})") from None
    # A first line that holds addresses is somebody's data, and is not repeated in a message.
    if not any(header) or (any("@" in column for column in header) and not any(map(is_known, header))):
        raise ConfigurationError(f"{name}: no header; its first line must name the columns")
    nameless: set[int] = set()
    rows = _csv_rows(reader, header, skipped, nameless)
    return Table(header=header, rows=rows, encoding=encoding, separator=separator, nameless=nameless)


def _separator(text: str, is_known: Callable[[str], bool]) -> str:
    """The one that gives the most columns that are known, else the most columns."""

    def worth(separator: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        except csv.Error:
            return 0, 0
        return sum(is_known(column.strip()) for column in header), len(header)

    return max(_SEPARATORS, key=worth)


def _csv_rows(reader: Any, header: Sequence[str], skipped: int, nameless: set[int]) -> Iterator[FileRow]:
    unnamed = [place for place, name in enumerate(header) if not name]
    while True:
        line = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # After a broken quote nobody knows where the next row begins.
            why = "a quote is never closed" if "end of data" in str(error) else str(error)
            yield FileRow(line, {}, f"malformed ({why}); with it all rows after it")
            return
        if not cells:
            continue
        if len(cells) < len(header) or any(cells[len(header) :]):
            yield FileRow(line, {}, f"has {len(cells)} cells, the header has {len(header)}")
            continue
        nameless.update(place + 1 for place in unnamed if cells[place].strip())
        yield FileRow(line, {name: cell for name, cell in zip(header, cells, strict=False) if name})


class _Twice(ValueError):
    msg = "a name stands twice in an object"


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object; refused where a name stands twice, since nobody can tell which value is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _json_rows(text: str) -> Iterator[FileRow]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            document = json.loads(content, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            yield FileRow(line, {}, f"no JSON: {getattr(error, 'msg', type(error).__name__)}")
            continue
        if not isinstance(document, dict):
            yield FileRow(line, {}, "no JSON object")
            continue
        yield FileRow(line, document)
