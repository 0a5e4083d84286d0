"""Partial answers: the parameter `fields`, which every method takes.

Belongs here: reading a selection and cutting an answer down to it. Does not belong here: what a method answers.
"""

import re
from typing import Any

from integrations_sandbox.gmail import errors

#: What is wanted of an object, by field; an empty one is wanted whole.
Selection = dict[str, "Selection"]

_TOKEN = re.compile(r"([A-Za-z0-9_*]+)|([,/()])")


def select(answer: Any, fields: str) -> Any:
    """Raises WireError for what is no selection. Assumed: an unknown field selects nothing instead of being refused."""
    return _cut(answer, read_selection(fields))


def read_selection(fields: str) -> Selection:
    """`a,b(c,d/e)` and the like; `*` stands for every field."""
    tokens = [found[1] or found[2] for found in _TOKEN.finditer(fields)]
    if "".join(tokens) != fields.replace(" ", ""):
        raise _refused(fields)
    selection = _read_list(tokens, fields)
    if tokens:
        raise _refused(fields)
    return selection


def _read_list(tokens: list[str], fields: str) -> Selection:
    selection: Selection = {}
    while True:
        name, inner = _read_field(tokens, fields)
        selection.setdefault(name, {}).update(inner)
        if tokens[:1] != [","]:
            return selection
        del tokens[0]


def _read_field(tokens: list[str], fields: str) -> tuple[str, Selection]:
    if not tokens or tokens[0] in ",/()":
        raise _refused(fields)
    name = tokens.pop(0)
    if tokens[:1] == ["/"]:
        del tokens[0]
        child, inner = _read_field(tokens, fields)
        return name, {child: inner}
    if tokens[:1] == ["("]:
        del tokens[0]
        inner = _read_list(tokens, fields)
        if tokens[:1] != [")"]:
            raise _refused(fields)
        del tokens[0]
        return name, inner
    return name, {}


def _cut(value: Any, selection: Selection) -> Any:
    if not selection:
        return value
    if isinstance(value, list):
        return [_cut(each, selection) for each in value]
    if not isinstance(value, dict):
        return value
    every = selection.get("*")
    wanted = {key: selection.get(key, every) for key in value}
    return {key: _cut(value[key], inner) for key, inner in wanted.items() if inner is not None}


def _refused(fields: str) -> errors.Refusal:
    # Assumed: the reason; the wording was seen.
    return errors.refusal(400, "invalidParameter", f"Invalid field selection {fields}")
