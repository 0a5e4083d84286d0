"""The query parameters that many endpoints share.

Belongs here: pages, yes and no, moments in time, partial answers. Does not belong here: what one endpoint filters by.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations_sandbox.mailchimp import errors
from integrations_sandbox.wire import Request

#: From the documentation of pagination.
DEFAULT_COUNT = 10
MOST_ITEMS = 1000
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:?\d\d)")

#: A tree of names: `{"members": {"id": {}}}`; an empty tree stands for everything below.
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`count` items from number `offset` on. More than the maximum is cut down to it in silence."""

    count: int
    offset: int

    @classmethod
    def read(cls, request: Request) -> "Page":
        count, offset = _whole_number(request, "count", DEFAULT_COUNT), _whole_number(request, "offset", 0)
        return cls(count=min(count, MOST_ITEMS), offset=offset)

    def cut(self, items: list[Any]) -> list[Any]:
        return items[self.offset : self.offset + self.count]


def flag(request: Request, name: str) -> bool:
    return (request.value(name) or "").lower() in ("true", "1")


def choice(request: Request, name: str, choices: Iterable[str]) -> str | None:
    value = request.value(name)
    if value is not None and value not in choices:
        raise errors.invalid_resource(errors.not_accepted(name, choices))
    return value


def moment(request: Request, name: str) -> datetime | None:
    """ISO 8601 with an offset and whole seconds. Any other form is ignored in silence, as if it were not there;
    so is an offset whose plus sign was not encoded, because it arrives as a blank."""
    text = request.value(name) or ""
    try:
        return datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def shape(request: Request, document: Any) -> Any:
    """The parts of an answer that `fields` names, without those that `exclude_fields` names.

    Assumed: names that the answer does not have are ignored.
    """
    wanted, unwanted = _tree(request, "fields"), _tree(request, "exclude_fields")
    if wanted:
        document = _pick(document, wanted)
    return _omit(document, unwanted) if unwanted else document


def _tree(request: Request, name: str) -> Tree:
    tree: Tree = {}
    for path in ",".join(request.values(name)).split(","):
        node = tree
        for part in filter(None, path.strip().split(".")):
            node = node.setdefault(part, {})
    return tree


def _pick(document: Any, tree: Tree) -> Any:
    if isinstance(document, list):
        return [_pick(each, tree) for each in document]
    if not tree or not isinstance(document, dict):
        return document
    return {key: _pick(document[key], below) for key, below in tree.items() if key in document}


def _omit(document: Any, tree: Tree) -> Any:
    if isinstance(document, list):
        return [_omit(each, tree) for each in document]
    if not isinstance(document, dict):
        return document
    kept = {key: value for key, value in document.items() if tree.get(key) != {}}
    return {key: _omit(value, tree[key]) if key in tree else value for key, value in kept.items()}


def _whole_number(request: Request, name: str, default: int) -> int:
    text = request.value(name)
    if text is None or text == "":
        return default
    if not text.isdigit():
        raise errors.invalid_resource(errors.not_of_type(name, "integer", text))
    return int(text)
