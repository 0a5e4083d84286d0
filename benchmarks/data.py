"""Invented contacts that look like real ones, as Arrow tables.

Belongs here: the same values for the same seed, and edits of them. Does not: measuring.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from integrations_pipeline.model import SET_SEPARATOR

Integers = npt.NDArray[np.int64]

FIELDS = ("email", "name", "phone", "company", "job_title", "tags")
SEED = 20

_FIRST = (
    "Amelia",
    "Bogdan",
    "Chiara",
    "Dmitri",
    "Elif",
    "Fatou",
    "Gábor",
    "Hanna",
    "Ibrahim",
    "Jürgen",
    "Keiko",
)
_LAST = ("Abara", "Becker", "Castillo", "Dubois", "Eriksen", "Fischer", "Grzyb", "Haddad", "Köhler", "Novak")
_COMPANIES = ("Acme", "Borealis", "Cobalt", "Driftwood", "Everline", "Fjord", "Granite", "Harbour", "Kestrel")
_FORMS = ("GmbH", "Inc.", "Ltd", "S.A.", "AB", "& Partners")
_DOMAINS = ("example.com", "mail.example.org", "example.net", "corp.example.com")
_LEVELS = ("", "Senior ", "Lead ", "Head of ", "VP ")
_TITLES = ("Engineer", "Account Manager", "Marketing", "Buyer", "Data Analyst", "Operations", "Recruiter")
_TAGS = ("customer", "lead", "newsletter", "partner", "press", "vip", "trial", "churned")


def contacts(count: int, seed: int = SEED) -> pa.Table:
    """`count` contacts: `contact_id` (random UUID, ascending), `external_id` (as Airtable's) and `FIELDS`."""
    random = np.random.default_rng(seed)
    number = _texts(np.arange(count))
    first, last = _pick(random, _FIRST, count), _pick(random, _LAST, count)
    mailbox = pc.utf8_lower(_join(first, ".", last, number, "@"))
    return pa.table(
        {
            "contact_id": pa.array(sorted(_uuids(random, count)), pa.large_string()),
            "external_id": pa.array(_external_ids(random, count), pa.large_string()),
            "email": _join(mailbox, _pick(random, _DOMAINS, count)),
            "name": _join(first, " ", last),
            "phone": _some(random, _join("+49 30 ", _texts(random.integers(10**6, 10**8, count))), 0.7),
            "company": _company(random, count),
            "job_title": _some(random, _join(_pick(random, _LEVELS, count), _pick(random, _TITLES, count)), 0.8),
            "tags": _tags(random, count),
        }
    )


def edited(table: pa.Table, at: Integers, mark: str, seed: int = SEED) -> pa.Table:
    """The table with one random field of each row in `at` changed; `mark` tells whose edit it was."""
    field_of = np.random.default_rng(seed).integers(0, len(FIELDS), len(at))
    for number, name in enumerate(FIELDS):
        is_edited = np.zeros(table.num_rows, dtype=bool)
        is_edited[at[field_of == number]] = True
        ending = SET_SEPARATOR + mark if name == "tags" else f" {mark}"
        column = table[name].combine_chunks()
        changed = pc.if_else(pa.array(is_edited), _join(column, ending), column)
        table = table.set_column(table.schema.get_field_index(name), name, changed)
    return table


def _join(*parts: object) -> pa.Array:
    texts = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar("", pa.large_string()))


def _texts(numbers: Integers) -> pa.Array:
    return pa.array(numbers).cast(pa.large_string())


def _pick(random: np.random.Generator, choices: Sequence[str], count: int) -> pa.Array:
    return pa.array(choices, pa.large_string()).take(pa.array(random.integers(0, len(choices), count)))


def _some(random: np.random.Generator, values: pa.Array, fraction: float) -> pa.Array:
    """Each value with this probability, else the empty text."""
    return pc.if_else(pa.array(random.random(len(values)) < fraction), values, pa.scalar("", pa.large_string()))


def _company(random: np.random.Generator, count: int) -> pa.Array:
    return _join(_pick(random, _COMPANIES, count), " ", _pick(random, _FORMS, count))


def _title(random: np.random.Generator, count: int) -> pa.Array:
    return _join(_pick(random, _LEVELS, count), _pick(random, _TITLES, count))


def _tags(random: np.random.Generator, count: int) -> pa.Array:
    """None, one or two tags."""
    first = _some(random, _pick(random, _TAGS[:4], count), 0.7)
    second = _join(SET_SEPARATOR, _pick(random, _TAGS[4:], count))
    has_two = pc.and_(pc.not_equal(first, ""), pa.array(random.random(count) < 0.4))
    return pc.if_else(has_two, _join(first, second), first)


def _uuids(random: np.random.Generator, count: int) -> list[str]:
    digits = random.bytes(16 * count).hex()
    texts = (digits[start : start + 32] for start in range(0, len(digits), 32))
    return [f"{t[:8]}-{t[8:12]}-4{t[13:16]}-8{t[17:20]}-{t[20:]}" for t in texts]


def _external_ids(random: np.random.Generator, count: int) -> list[str]:
    """14 letters after `rec`, unordered; distinct, because 26 ** 14 is plenty."""
    letters = random.integers(ord("a"), ord("z") + 1, (count, 14), dtype=np.uint8).tobytes().decode()
    return [f"rec{letters[start : start + 14]}" for start in range(0, len(letters), 14)]
