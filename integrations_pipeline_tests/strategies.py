"""Hypothesis profiles and strategies: address books drawn as one agreed base, then perturbed on each side.

Two unrelated books would hardly ever exercise an update, a conflict or a delete; two edits of one do.
The profile is chosen by HYPOTHESIS_PROFILE: `dev` (the default), `ci`, `nightly`; `properties` runs `round`s.
"""

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from integrations_pipeline.model import SET_SEPARATOR, Side
from integrations_pipeline_tests.builders import Books, Row

T = TypeVar("T")

_COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
}
settings.register_profile("dev", max_examples=25, **_COMMON)
settings.register_profile("ci", max_examples=150, derandomize=True, **_COMMON)
settings.register_profile("round", max_examples=50, **_COMMON)
settings.register_profile("nightly", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

#: Decomposed and composed forms, outer blanks, line ends and "0" among them: equal, or not, only canonically.
TEXTS = ("", "", "Ann", "Ann ", "ann", "Zo\u00eb", "Zoe\u0308", "李雷", "two\nlines", "two\r\nlines", "0")
MEMBERS = ("a", "b", "vip", "Z\u00fcrich", "two words")
#: The agreed e-mails p0… are in the pool, so that edits and newcomers collide with them.
EMAILS = ("", "p0@example.org", "P1@Example.org", " p2@example.org", "p3@example.org", "n1@example.org")


#: The one draw of an example, from which all else follows. Hypothesis repeats and swaps the values of several
#: draws to find failures faster; the events that the counters count would get rare that way.
seeds = st.shared(st.integers(0, 2**64 - 1), key="seed")

#: A source of chance beside that of the books.
chances = seeds.map(lambda seed: Random(f"chance {seed}"))


def evenly(options: Iterable[T]) -> st.SearchStrategy[T]:
    """Each option as often as the others, also in few examples."""
    choices = list(options)
    return seeds.map(lambda seed: Random(f"{choices} {seed}").choice(choices))


def a_text(chance: Random) -> str:
    return chance.choice(TEXTS)


def an_email(chance: Random) -> str:
    return chance.choice(EMAILS)


def a_consent(chance: Random) -> str:
    return chance.choice(("", "", "true"))


def a_tag_text(chance: Random) -> str:
    """Not cleaned: duplicates and any order, as providers give them."""
    return SET_SEPARATOR.join(chance.choices(MEMBERS, k=chance.randint(0, 4)))


DRAWS: Mapping[str, Callable[[Random], str]] = {
    "email": an_email,
    "name": a_text,
    "company": a_text,
    "tags": a_tag_text,
    "email_opt_out": a_consent,
}


def a_row(chance: Random, email: str | None = None) -> dict[str, str]:
    """A whole contact; its e-mail from the colliding pool unless given."""
    drawn = {name: draw(chance) for name, draw in DRAWS.items()}
    return drawn if email is None else {**drawn, "email": email}


def an_edit(chance: Random, favourite: str, *, with_email: bool) -> dict[str, str]:
    """New values for one to three fields; two edits with one favourite mostly meet there."""
    choices = [name for name in DRAWS if with_email or name != "email"]
    names = chance.sample(choices, chance.randint(1, 2))
    names += [favourite] if chance.random() < 0.85 else []
    return {name: DRAWS[name](chance) for name in dict.fromkeys(names)}


def respelled(row: dict[str, str]) -> dict[str, str]:
    """The same contact in other raw text."""
    members = row["tags"].split(SET_SEPARATOR)
    return {
        "email": row["email"].upper() + " ",
        "name": unicodedata.normalize("NFD", row["name"]),
        "tags": SET_SEPARATOR.join([*reversed(members), *members]),
    }


_FATES = ("same", "edit", "edit", "edit", "respell", "delete")


@st.composite
def books(
    draw: st.DrawFn,
    *,
    is_colliding: bool = True,
    fates: tuple[str, ...] = _FATES,
    newcomers: int = 3,
    keeps_deleted_rows: bool = False,
) -> Books:
    """Linked contacts that both sides agreed on, then edits and deletes on each side, then newcomers.

    Unless `is_colliding`, every e-mail is its contact's own for good. The values come from a drawn seed, not
    from single draws: so events are as frequent as their chances say, and the counters of a property hold.
    """
    chance = Random(f"books {draw(seeds)}")
    result = Books(keeps_deleted_rows=keeps_deleted_rows)
    # One contact that nobody touches: a side that is empty is a case of its own.
    result.link("ckept", "xkept", {"email": "kept@example.org", "name": "Kept"})
    count = chance.randint(4, 9)
    for number in range(count):
        result.link(f"c{number}", f"x{number}", a_row(chance, f"p{number}@example.org"))
    for number in range(count):
        favourite = chance.choice(("name", "company", "tags"))
        for side, key in ((Side.LOCAL, f"c{number}"), (Side.REMOTE, f"x{number}")):
            edit = an_edit(chance, favourite, with_email=is_colliding)
            perturb(result, side, key, chance.choice(fates), edit)
    for side, letter in ((Side.LOCAL, "c"), (Side.REMOTE, "x")):
        for number in range(chance.randint(0, newcomers)):
            email = None if is_colliding else f"{letter}{number}@example.net"
            result.put(side, f"{letter}new{number}", a_row(chance, email))
    return result


def perturb(to: Books, side: Side, key: str, fate: str, edit: Row) -> None:
    """Let one record of one side meet its fate."""
    if fate == "edit":
        to.put(side, key, edit)
    elif fate == "respell":
        to.put(side, key, respelled(to.book(side)[key]))
    elif fate == "delete":
        to.remove(side, key)
