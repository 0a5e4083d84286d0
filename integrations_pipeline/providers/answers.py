"""What the answer to a write says of each value that was sent: taken, written otherwise, or lost.

Belongs here: judging one value, pure. Does not: which values an answer shows (the providers), what becomes of the
judgement (`sync.contacts.acknowledge`).
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from integrations_pipeline.model import FieldKind, split_set


class Taken(StrEnum):
    """`SAME`: as it was sent. `NORMALISED`: the same value, written in the other side's way. `LOST`: empty, cut or
    something else."""

    SAME = "same"
    NORMALISED = "normalised"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of one change: fields that were answered otherwise, as they are held now, and those of them that are lost."""

    answered: Mapping[str, str]
    lost: frozenset[str]


#: A value this long that stands whole within the answer is kept ("x.org" in "http://x.org"); less may be chance.
KEPT_WHOLE = 4


def judge(sent: str, back: str, kind: FieldKind) -> Taken:
    """One text or set. Another writing has the same letters and digits ("A-1", "a 1") or holds all of them in their
    order; an answer that keeps only a part, or nothing, has lost the value. An e-mail with other
    characters is somebody else's, "C" is not the tag "C++", and 15 is not 1.5."""
    if sent.strip() == back.strip():
        return Taken.SAME
    if kind is FieldKind.EMAIL:
        return Taken.SAME if _cased(sent) == _cased(back) else Taken.LOST
    if kind is FieldKind.SET:
        told, held = ({_cased(member) for member in split_set(text)} for text in (sent, back))
        return Taken.NORMALISED if told == held else Taken.LOST
    if _are_other_numbers(sent, back):
        return Taken.LOST
    told_text, held_text = _folded(sent), _folded(back)
    is_kept = len(told_text) >= KEPT_WHOLE and told_text in held_text
    return Taken.NORMALISED if told_text and (told_text == held_text or is_kept) else Taken.LOST


def _cased(text: str) -> str:
    """Without case, and with single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _are_other_numbers(sent: str, back: str) -> bool:
    """Whether both are numbers with a point or a sign, and not the same one; whole numbers may be phones."""
    if not any(mark in text for text in (sent, back) for mark in ".-"):
        return False
    try:
        told, held = Decimal(sent.strip()), Decimal(back.strip())
    except ArithmeticError:
        return False
    return told.is_finite() and told != held


def _folded(text: str) -> str:
    """Letters and digits alone, without case."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


#: (field, sent, back) → what became of the value; typed columns judge by number or day.
Judge = Callable[[str, str, str], Taken]


def verdict_on(sent: Mapping[str, str], back: Mapping[str, str], judge_field: Judge) -> Verdict:
    """Judge every sent field that the answer shows; what it does not show says nothing."""
    found = {name: judge_field(name, value, back[name]) for name, value in sent.items() if name in back}
    return Verdict(
        answered={name: back[name] for name, taken in found.items() if taken is not Taken.SAME},
        lost=frozenset(name for name, taken in found.items() if taken is Taken.LOST),
    )
