"""What a provider's answers look like, by endpoint: checked once where they enter, so that nothing behind needs to.

A shape is written as types (`TypedDict`, `list`, `dict`), and pydantic compares a whole page with them in one call of
compiled code. Keys that a shape does not name are left alone. Belongs here: comparing, and the words that shapes of
several providers share. Does not: any provider's shapes (its own `shapes`), what a wrong one leads to (`http`).
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import GetPydanticSchema, StringConstraints, TypeAdapter, ValidationError
from pydantic_core.core_schema import is_instance_schema

from integrations_pipeline.providers.bounds import Bounds

#: An id: kept, sent in paths and compared, so it is one word of characters that any of those takes, and no "..".
Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-][!-~]{0,254}$")]
#: An id, or "" where there is none.
MaybeId = Annotated[str, StringConstraints(pattern=r"^([0-9A-Za-z_-][!-~]{0,254})?$")]
#: A name that a person gave: any characters but the one that Postgres does not keep.
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00]{0,1000}$")]
#: What somebody wrote, half characters and all: a provider that cuts a text cuts an emoji, too.
Text = Annotated[str, GetPydanticSchema(lambda _kind, _handler: is_instance_schema(str))]
#: An ISO time or date within the calendar's middle, so that it can be reckoned with; "" for none.
Time = Annotated[str, StringConstraints(pattern=r"^(|(19|2[01])[0-9]{2}-[01][0-9]-[0-3][0-9].{0,30})$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`title`: what the answer is, as it stands in messages. `kind`: its type. `status`: the only one that says so,
    where there is one. `or_nothing`: 204 without a body says the same. `bounds`: its own, where an answer may be larger
    or come later than others of its endpoint."""

    title: str
    kind: Any
    status: int | None = None
    or_nothing: bool = False
    bounds: Bounds | None = None

    def fits(self, body: Any, status: int | None = None) -> bool:
        """Whether a parsed body has this shape. Texts, numbers and truth values are no substitutes for one another."""
        if self.or_nothing and NOTHING.fits(body, status):
            return True
        if self.status not in (None, status):
            return False
        if self.kind is Any:
            return True
        try:
            _adapter(self.kind).validate_python(body, strict=True)
        except ValidationError:
            return False
        return True


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made at the first use: most commands read no answers."""
    return TypeAdapter(kind)


ANYTHING = Shape(title="a request", kind=Any)
#: It is done, and there is nothing to tell. 200 without a body may be anybody's.
NOTHING = Shape(title="a write that has no answer", kind=None, status=204)
