"""The search language of `q`, as far as programs use it.

Belongs here: reading a query and testing messages. Does not belong here: labels given as parameters, pages.

Understood: words and "phrases", `-`, `OR`, `{}`, `()`; rfc822msgid, from, to, cc, bcc, deliveredto, subject, list,
filename, in, is, label, has:attachment, after, before, newer, older, newer_than, older_than. Words are compared
whole and in any case. Assumed: an operator that is not known is searched as words.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.model import Message

Test = Callable[[Message], bool]

_TOKEN = re.compile(r'\s*(?:(-?[({]|[)}])|(-)?(?:([A-Za-z0-9_]+):)?("[^"]*"|\([^()]*\)|[^\s(){}"]+))')
_WORD = re.compile(r"\w+")
_AGE = re.compile(r"(\d+)([hdmy])")
_AGE_DAYS = {"h": 1 / 24, "d": 1.0, "m": 30.0, "y": 365.0}
_PLACES = {"drafts": "DRAFT", "draft": "DRAFT", "chats": "CHAT", "chat": "CHAT"}
#: The header fields that an operator looks into.
_FIELDS = {
    "from": ("From",),
    "to": ("To", "Cc", "Bcc"),
    "cc": ("Cc",),
    "bcc": ("Bcc",),
    "deliveredto": ("Delivered-To",),
    "subject": ("Subject",),
    "list": ("List-Id",),
}


@dataclass(frozen=True, slots=True)
class Search:
    """`reaches_hidden`: the query names a place that lists leave out otherwise, spam or trash."""

    matches: Test
    reaches_hidden: bool


def read_query(query: str, mailbox: Mailbox, now: datetime, utc_offset_hours: float) -> Search:
    reader = _Reader(query, _Terms(mailbox, now, timezone(timedelta(hours=utc_offset_hours))))
    test = reader.all_of()
    hidden = re.search(r"(?i)(?<![-\w])(in|label):(anywhere|trash|spam)\b", query)
    return Search(test, hidden is not None)


@dataclass(frozen=True, slots=True)
class _Token:
    is_not: bool = False
    operator: str = ""
    value: str = ""
    bracket: str = ""


class _Reader:
    """Reads terms with AND between them, OR binding closer."""

    def __init__(self, query: str, terms: "_Terms") -> None:
        self._tokens = [_token(found) for found in _TOKEN.finditer(query)]
        self._terms = terms

    def all_of(self, end: str = "") -> Test:
        tests = self._until(end)
        return lambda message: all(test(message) for test in tests)

    def any_of(self, end: str) -> Test:
        tests = self._until(end)
        return lambda message: any(test(message) for test in tests)

    def _until(self, end: str) -> list[Test]:
        tests: list[Test] = []
        is_or = False
        while self._tokens:
            token = self._tokens.pop(0)
            if token.bracket and token.bracket in ")}":
                if token.bracket == end:
                    break
                continue
            if token.value == "OR" and not token.operator:
                is_or = True
                continue
            test = self._term(token)
            if is_or and tests:
                test = _either(tests.pop(), test)
            tests.append(test)
            is_or = False
        return tests

    def _term(self, token: _Token) -> Test:
        if token.bracket.endswith("("):
            test = self.all_of(")")
        elif token.bracket.endswith("{"):
            test = self.any_of("}")
        else:
            test = self._terms.test(token.operator.lower(), token.value)
        is_not = token.is_not or token.bracket.startswith("-")
        return (lambda message: not test(message)) if is_not else test


class _Terms:
    """What each operator asks of a message."""

    def __init__(self, mailbox: Mailbox, now: datetime, zone: timezone) -> None:
        self._mailbox = mailbox
        self._now = now
        self._zone = zone

    def test(self, operator: str, value: str) -> Test:
        plain = value.strip('"')
        named: dict[str, Callable[[str], Test]] = {
            "rfc822msgid": _has_message_id,
            "in": self._in,
            "label": self._in,
            "is": self._is,
            "has": _has,
            "filename": _filename,
            "after": lambda text: self._received(text, is_after=True),
            "newer": lambda text: self._received(text, is_after=True),
            "before": lambda text: self._received(text, is_after=False),
            "older": lambda text: self._received(text, is_after=False),
            "newer_than": lambda text: self._aged(text, is_newer=True),
            "older_than": lambda text: self._aged(text, is_newer=False),
        }
        if operator in named:
            return named[operator](plain)
        if operator in _FIELDS:
            return self._field(_FIELDS[operator], value)
        return _says(f"{operator} {plain}")

    def _field(self, names: tuple[str, ...], value: str) -> Test:
        if value.lower() == "me":
            own = list(self._mailbox.senders)
            return lambda message: any(_has_phrase(_texts(message, names), address) for address in own)
        phrases = value[1:-1].split() if value.startswith("(") else [value.strip('"')]
        return lambda message: all(_has_phrase(_texts(message, names), phrase) for phrase in phrases)

    def _in(self, place: str) -> Test:
        if place.lower() == "anywhere":
            return _always
        wanted = _PLACES.get(place.lower(), place).lower()
        labels = {
            label.id
            for label in self._mailbox.labels
            if wanted in (label.id.lower(), label.name.lower(), re.sub(r"[\s/]", "-", label.name.lower()))
        }
        return lambda message: not labels.isdisjoint(message.labels)

    def _is(self, state: str) -> Test:
        if state.lower() == "read":
            return lambda message: "UNREAD" not in message.labels
        return lambda message: state.upper() in message.labels

    def _received(self, text: str, *, is_after: bool) -> Test:
        """A date is midnight in the account's time zone. Assumed: `after` includes its moment."""
        moment = _moment(text, self._zone)
        if moment is None:
            return _never
        return lambda message: (message.received_at >= moment) == is_after

    def _aged(self, text: str, *, is_newer: bool) -> Test:
        found = _AGE.fullmatch(text.lower())
        if found is None:
            return _never
        moment = self._now - timedelta(days=int(found[1]) * _AGE_DAYS[found[2]])
        return lambda message: (message.received_at >= moment) == is_newer


def _token(found: re.Match[str]) -> _Token:
    return _Token(bool(found[2]), found[3] or "", found[4] or "", found[1] or "")


def _always(_: Message) -> bool:
    return True


def _never(_: Message) -> bool:
    return False


def _either(one: Test, other: Test) -> Test:
    return lambda message: one(message) or other(message)


def _has_message_id(value: str) -> Test:
    wanted = f"<{value.strip('<>')}>"
    return lambda message: message.content.message_id == wanted


def _has(thing: str) -> Test:
    return lambda message: thing.lower() == "attachment" and bool(_filenames(message))


def _filename(name: str) -> Test:
    return lambda message: any(name.lower() in each.lower() for each in _filenames(message))


def _filenames(message: Message) -> list[str]:
    return [part.filename for part in message.content.root.walk() if part.filename]


def _says(phrase: str) -> Test:
    names = ("Subject", "From", "To", "Cc")
    return lambda message: _has_phrase([*_texts(message, names), message.content.text], phrase)


def _texts(message: Message, names: tuple[str, ...]) -> list[str]:
    return [text for name in names for text in message.content.mail.texts(name)]


def _has_phrase(texts: list[str], phrase: str) -> bool:
    wanted = _WORD.findall(phrase.lower())
    return any(_follows(_WORD.findall(text.lower()), wanted) for text in texts)


def _follows(words: list[str], wanted: list[str]) -> bool:
    """Whether the wanted words stand there one after the other."""
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1))


def _moment(text: str, zone: timezone) -> datetime | None:
    """Seconds since 1970, or a date such as 2026/11/22."""
    if re.fullmatch(r"\d{9,}", text):
        return datetime.fromtimestamp(int(text), UTC)
    for pattern in ("%Y/%m/%d", "%Y-%m-%d", "%m/%d/%Y"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=zone)
        except ValueError:
            continue
    return None
