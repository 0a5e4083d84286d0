"""Fault rules: which requests go wrong, how, and how many times.

Belongs here: the rules, their matching and their counting.
Does not belong here: carrying a fault out (the server does the generic ones, a provider its own).
"""

import re
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from integrations_sandbox.wire import JsonObject, Request

FaultAction = Literal[
    "status",
    "status_after",
    "drop_before",
    "drop_after",
    "delay",
    "truncate_page",
    "empty_page",
    "expire_iterators",
    "rate_limit",
    "billing_limit",
    "reshape",
    "blank_values",
    "alter_written",
    "alter_answer",
    "leave_out",
    "reorder",
    "deny_delete",
]
Shape = Literal[
    "object", "list", "null", "wrapped", "deep", "numbers", "empty", "html", "huge", "gzip_bomb", "slow", "as_it_is"
]
How = Literal["leave_out", "keep_old", "trim", "cut", "round", "upper"]
#: The longest pause between two parts of a slow answer, so that nothing outlives its test by much.
MOST_PAUSE_SECONDS = 60.0
#: Actions on answers to writes of records, and on any answer with records; other requests do not use them up.
_ON_WRITES = frozenset(["alter_written", "alter_answer", "leave_out", "reorder"])
_ON_RECORDS = _ON_WRITES | {"blank_values"}
_RECORDS = re.compile(r"/v0/app[^/]+/|/lists/[^/]+/members(/[^/]+)?/?$")
_MANY_MEMBERS = re.compile(r"/lists/[^/]+/?$")
#: HubSpot's and Google's contacts, and the requests for HubSpot's that read although they are posted.
_CONTACTS = re.compile(
    r"/crm/(v3/objects|objects/[^/]+)/contacts(/|$)|/people:batch(Create|Update)Contacts$|/people:batchGet$|/connections$"
)
_POSTED_READS = ("/search", "/batch/read")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One kind of trouble for the requests that fit.

    A request fits when its method is `method` (None: any), `path_regex` is found in its decoded path and
    `body_regex` in its body. The first `skip` fitting requests pass, the next `times` are hit (-1: all).

    Actions: `status` answers `status`, `body` and `headers` and applies nothing; `status_after` applies the
    request, then answers the same; `drop_before` closes the
    connection and applies nothing; `drop_after` applies the request, then closes the connection; `delay`
    applies it and holds the answer back for `seconds`, or until the rule is removed; `truncate_page` and
    `empty_page` answer a list with
    fewer or no records and no offset; `expire_iterators` forgets all offsets; `rate_limit` answers 429 and
    starts the penalty, if the provider has one; `billing_limit` answers 429 as when the month's calls are used
    up (schema calls go on working). A page that is cut of Mailchimp goes on telling the true `total_items`,
    unless `body` has another.

    Wrong answers: `reshape` gives the answer another `shape` of about `size` (see `distortion`), and applies the
    request only if `applies`; `slow` sends it in parts of `size` bytes with `seconds` between them. The others know
    records: Airtable's, whose values are `fields`, Mailchimp's members with their `merge_fields`, HubSpot's contacts
    with their `properties` and Google's. `blank_values` answers records without values, or without those that `names`
    has, or without the key of the values (`drops_key`). `alter_written` changes values on their way in, so that they
    are stored so; `alter_answer` changes the answer alone; `how` says what becomes of the values in `names` (all, if it
    is empty). `leave_out` keeps the records in `names` (ids or e-mail addresses; empty: the first) out of the answer,
    `reorder` turns their order round. `deny_delete` deletes nothing and answers 200 and `deleted: false`. `html` is a
    page in place of `body`.
    """

    action: FaultAction
    method: str | None = None
    path_regex: str = ""
    body_regex: str = ""
    status: int = 500
    body: JsonObject | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    times: int = 1
    skip: int = 0
    html: str | None = None
    shape: Shape = "as_it_is"
    size: int | None = None
    applies: bool = True
    names: Sequence[str] = ()
    drops_key: bool = False
    how: How = "leave_out"
    length: int = 255

    def __post_init__(self) -> None:
        for value, kind in ((self.action, FaultAction), (self.shape, Shape), (self.how, How)):
            if value not in get_args(kind):
                raise ValueError(f"{value} must be one of {', '.join(get_args(kind))}")
        if self.shape == "slow" and not 0 <= self.seconds <= MOST_PAUSE_SECONDS:
            raise ValueError(f"seconds must be between 0 and {MOST_PAUSE_SECONDS:.0f}")

    @classmethod
    def from_json(cls, document: JsonObject) -> "FaultRule":
        """Raises ValueError for an unknown action or key, or an expression that does not compile."""
        unknown = set(document) - {each.name for each in fields(cls)}
        if unknown:
            raise ValueError(f"unknown keys of a fault rule: {', '.join(sorted(unknown))}")
        if document.get("action") not in get_args(FaultAction):
            raise ValueError(f"action must be one of {', '.join(get_args(FaultAction))}")
        for key in ("path_regex", "body_regex"):
            _compile(str(document.get(key, "")))
        return cls(**document)

    def fits(self, request: Request) -> bool:
        # The facts of the billing limit: schema calls keep working while data calls are refused.
        if self.action == "billing_limit" and "/meta/" in request.path:
            return False
        if not self._knows(request):
            return False
        if self.method is not None and self.method.upper() != request.method:
            return False
        if not re.search(self.path_regex, request.path):
            return False
        return not self.body_regex or bool(re.search(self.body_regex, request.body.decode("utf-8", "replace")))

    def _knows(self, request: Request) -> bool:
        """Whether the action means anything to the request."""
        if self.action == "deny_delete":
            return request.method == "DELETE"
        if self.action not in _ON_RECORDS:
            return True
        if request.path.endswith(("/listRecords", *_POSTED_READS)):
            return self.action == "blank_values"
        is_write = request.method in ("POST", "PATCH", "PUT")
        if is_write and _MANY_MEMBERS.search(request.path):
            return True
        has_records = _RECORDS.search(request.path) or _CONTACTS.search(request.path)
        return bool(has_records) and (is_write or self.action == "blank_values")


@dataclass(slots=True)
class _Counted:
    rule: FaultRule
    skips_left: int
    hits_left: int
    hit_count: int = 0


class FaultBook:
    """The rules in force, in the order they were added; the first that fits and is not used up counts."""

    def __init__(self) -> None:
        self._rules: list[_Counted] = []

    def add(self, rule: FaultRule) -> None:
        self._rules.append(_Counted(rule, rule.skip, rule.times))

    def clear(self, action: str | None = None) -> None:
        """All rules, or those of one action."""
        self._rules = [each for each in self._rules if action not in (None, each.rule.action)]

    def has(self, rule: FaultRule) -> bool:
        """Whether it was not removed; one that is used up is still there."""
        return any(each.rule is rule for each in self._rules)

    def take(self, request: Request, actions: Container[str] = get_args(FaultAction)) -> FaultRule | None:
        """The rule that hits this request, counted as used once; `actions` limits which may."""
        for counted in self._rules:
            if counted.rule.action not in actions or counted.hits_left == 0 or not counted.rule.fits(request):
                continue
            if counted.skips_left > 0:
                counted.skips_left -= 1
                continue
            counted.hits_left -= counted.hits_left > 0
            counted.hit_count += 1
            return counted.rule
        return None

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(counted.rule) | {"hit_count": counted.hit_count} for counted in self._rules]


def _compile(expression: str) -> None:
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
