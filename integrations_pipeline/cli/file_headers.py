"""Headers of files: which column holds which field of a contact. Pure.

Belongs here: our own names in any spelling, the names that Google Contacts, Outlook, HubSpot and Mailchimp write, and
what a person says with `--map`. Does not: cells (`contact_files`), parsing (`table_files`).
"""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import CONTACT_FIELDS, CUSTOM_PREFIX, is_contact_field

TAG_SEPARATOR = "|"
TOLD = "email, name, company, job_title, phone, tags, email_opt_out and custom_fields.KEY"

#: How cells are read: as they stand, or as the program writes them.
PLAIN, FIRST, TIME = "plain", "first of several", "time of an opt-out"
OWN_TAGS, GOOGLE_TAGS, OUTLOOK_TAGS, MAILCHIMP_TAGS = "|", ":::", ";", ","


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one column holds. Of several columns for one field the first filled one by `rank` counts; parts of a name
    are put together, tags gathered, and any opt-out counts."""

    field: str
    header: str = ""
    form: str = PLAIN
    is_part: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Columns in the order in which they are read; headers that are left out; the program that wrote the file."""

    columns: tuple[Column, ...]
    left_out: tuple[str, ...] = ()
    program: str = ""


#: Names by which a field is known besides its own, likeliest first; as `_plain` writes them.
_NAMES: Mapping[str, str] = {
    "email": "email, e mail, email address, e mail address, primary email, work email, e mail adresse",
    "name": "name, full name, display name, contact name",
    "company": "company, company name, organization, organisation, organization name, organization 1 name, "
    "associated company, account name",
    "job_title": "job title, jobtitle, organization title, organization 1 title, position",
    "phone": "phone, phone number, mobile phone, mobile phone number, mobile, business phone, telephone, "
    "primary phone, home phone",
    "tags": "tags",
    "email_opt_out": "email opt out, opt out, opted out, unsubscribed, unsubscribed from all email, "
    "has opted out of email, hasoptedoutofemail",
}
_PARTS = (
    ("first name", "given name", "firstname", "fname"),
    ("middle name", "additional name"),
    ("last name", "family name", "surname", "lastname", "lname"),
)
_TAGS = {"labels": GOOGLE_TAGS, "group membership": GOOGLE_TAGS, "categories": OUTLOOK_TAGS}
_TIMES = ("unsub time", "clean time")
#: Google numbers them: `E-mail 1 - Value`, `Phone 2 - Value`; one cell may hold several, with ` ::: ` between.
_NUMBERED = re.compile(r"(e ?mail|phone) (\d+) value")
_KNOWN: Mapping[str, Column] = {
    **{
        name: Column(field=field, rank=i) for field, names in _NAMES.items() for i, name in enumerate(names.split(", "))
    },
    **{name: Column(field="name", is_part=True, rank=i) for i, names in enumerate(_PARTS) for name in names},
    **{name: Column(field="tags", form=form) for name, form in _TAGS.items()},
    **{name: Column(field="email_opt_out", form=TIME) for name in _TIMES},
}
_PROGRAMS: Mapping[str, Callable[[frozenset[str]], bool]] = {
    "Google Contacts": lambda names: any(re.fullmatch(r"e ?mail \d+ (value|label|type)", name) for name in names),
    "Mailchimp": lambda names: (
        "email address" in names
        and bool(names & {"member rating", "optin time", "confirm time", "last changed", "leid", "euid"})
    ),
    "Outlook": lambda names: "e mail address" in names and bool(names & {"e mail type", "e mail display name"}),
    "HubSpot": lambda names: bool(names & {"record id", "contact owner", "lead status", "record id contact"}),
}


#: Backslashes before a separator or the end count in pairs; anywhere else they are just that.
_PIECES = re.compile(r"(\\*)(\||$)|[^\\|]+|\\+")


def read_tags(cell: str) -> list[str]:
    r"""Tags as people write them, `a|b`, and as `write_tags` does, with `\|` for a bar within a tag."""
    tags = [""]
    for found in _PIECES.finditer(cell):
        slashes, end = found[1], found[2]
        if end is None:
            tags[-1] += found[0]
        elif not end:
            tags[-1] += slashes[len(slashes) // 2 if len(slashes) % 2 == 0 else 0 :]
        else:
            tags[-1] += slashes[: len(slashes) // 2] + end * (len(slashes) % 2)
            tags += [] if len(slashes) % 2 else [""]
    return [tag.strip() for tag in tags]


def write_tags(tags: Iterable[str]) -> str:
    return TAG_SEPARATOR.join(re.sub(r"(\\*)(\||$)", _kept_whole, tag) for tag in tags)


def _kept_whole(found: re.Match[str]) -> str:
    return found[1] * 2 + (f"\\{found[2]}" if found[2] else "")


def is_known(header: str) -> bool:
    return _column(header) is not None


def known_field(header: str) -> tuple[str, int] | None:
    """The field that a column of this name holds by itself, and how far down the name stands among those known for it;
    None for a name that nobody knows, or that of a part."""
    found = _column(header)
    is_whole = found is not None and not found.is_part and found.form not in (FIRST, TIME)
    return (found.field, found.rank) if found is not None and is_whole else None


def custom_field(header: str) -> str:
    """A custom field called like the column; "" where no letter or digit is left of its name."""
    key = _plain(header).replace(" ", "_")
    return CUSTOM_PREFIX + key if key else ""


def own_field(name: str) -> str | None:
    """The field of this name, whatever its capitals; None if it is none."""
    lower = name.lower()
    if lower in CONTACT_FIELDS:
        return lower
    if lower.startswith(CUSTOM_PREFIX):
        name = CUSTOM_PREFIX + name[len(CUSTOM_PREFIX) :]
    return name if is_contact_field(name) else None


def read_mapping(texts: Iterable[str]) -> dict[str, str]:
    """`HEADER=FIELD` texts of the command line; an empty field leaves the column out."""
    found = {}
    for text in texts:
        header, separator, field = text.rpartition("=")
        wanted = own_field(field.strip()) if field.strip() else ""
        if not separator or not header.strip() or wanted is None:
            raise ConfigurationError(f"--map {text!r}: expected HEADER=FIELD; fields are {TOLD}")
        found[header.strip()] = wanted
    return found


def lay_out(header: Sequence[str], mapping: Mapping[str, str], name: str) -> Layout:
    """What the columns of a file hold.

    What `mapping` says of a column or field goes before what its name says. A column that nobody knows is refused,
    because it may be a known one misspelt; but left out where a known program wrote the file, or where the mapping
    has said what matters.
    """
    told = _find_headers(header, mapping, name)
    names = frozenset(map(_plain, header))
    program = next((program for program, wrote in _PROGRAMS.items() if wrote(names)), "")
    columns, left_out = [], []
    for column in filter(None, header):
        found = Column(field=told[column], is_part=told[column] == "name") if column in told else _column(column)
        is_replaced = found is not None and column not in told and found.field in told.values()
        if found is None or not found.field or is_replaced:
            left_out.append(column)
        else:
            columns.append(_as_written_by(program, found, column))
    unknown = [column for column in left_out if column not in told]
    if unknown and not program and not mapping:
        raise ConfigurationError(
            f'{name}: unknown column {unknown[0]!r}; columns are {TOLD}; say what it holds with --map "HEADER=FIELD", '
            'or leave it out with --map "HEADER="'
        )
    return Layout(columns=tuple(sorted(columns, key=lambda each: each.rank)), left_out=tuple(left_out), program=program)


def _find_headers(header: Sequence[str], mapping: Mapping[str, str], name: str) -> dict[str, str]:
    """The mapping by the headers as they stand in the file."""
    found = {}
    for wanted, field in mapping.items():
        same = [each for each in header if each == wanted] or [
            each for each in header if _plain(each) == _plain(wanted)
        ]
        if not same:
            raise ConfigurationError(f"{name}: --map names the column {wanted!r}, which the header does not have")
        found[same[0]] = field
    return found


def _column(header: str) -> Column | None:
    if field := own_field(header):
        return Column(field=field, form=OWN_TAGS if field == "tags" else PLAIN, rank=-1)
    plain = _plain(header)
    if numbered := _NUMBERED.fullmatch(plain):
        field = "phone" if numbered[1] == "phone" else "email"
        return Column(field=field, form=FIRST, rank=int(numbered[2][:6]))
    return _KNOWN.get(plain)


def _as_written_by(program: str, column: Column, header: str) -> Column:
    form = column.form
    if column.field == "tags" and form in (PLAIN, OWN_TAGS):
        form = MAILCHIMP_TAGS if program == "Mailchimp" else OWN_TAGS
    return Column(field=column.field, header=header, form=form, is_part=column.is_part, rank=column.rank)


def _plain(header: str) -> str:
    """A header without what spelling varies in: case, hyphens, underscores, brackets, blanks."""
    words = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFC", header).casefold())
    return words.strip()


def tags_in(cell: str, form: str) -> list[str]:
    """The tags in a cell."""
    if form == OWN_TAGS:
        return read_tags(cell)
    if form == MAILCHIMP_TAGS:
        return next(csv.reader([" ".join(cell.split())], skipinitialspace=True), [])
    tags = [tag.strip() for tag in cell.split(form)]
    # Google marks groups of its own, as `* myContacts`: nobody's tags.
    return [tag for tag in tags if not tag.startswith("* ")] if form == GOOGLE_TAGS else tags
