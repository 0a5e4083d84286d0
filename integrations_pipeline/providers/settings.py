"""Settings that every connection has, and the forms of those that become addresses. Providers add theirs.

Belongs here: names, bounds and defaults. Does not: what they do. Part of the contract: `base` gives them, too.
"""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from integrations_pipeline.model import ConflictPolicy, DeletePolicy

#: Control characters, and halves of characters, which cannot be sent.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _id_of_address(value: str) -> str:
    if not (value.isascii() and value.replace("_", "").replace("-", "").isalnum()):
        raise ValueError("is no id: it holds letters and digits only, as the provider's own address shows it")
    return value


def _part_of_address(value: str) -> str:
    if value in ("", ".", "..") or _UNFIT.search(value):
        raise ValueError("is neither an id nor a name")
    return value


#: An id that becomes a part of a request's path: a dot would lead to another path, and quoting leaves it as it is.
PathId = Annotated[str, AfterValidator(_id_of_address)]
#: The same where a name may stand, too: quoted, everything but `.` and `..` stays a part.
PathName = Annotated[str, AfterValidator(_part_of_address)]


class ConnectionSettings(BaseModel):
    """Settings that every connection has; providers add theirs. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Settings of a provider that say how to write, not where the records are: changing one moves nothing.
    manners: ClassVar[frozenset[str]] = frozenset()

    conflict_policy: ConflictPolicy | None = None
    #: What goes before `conflict_policy`, by workspace field.
    field_policies: dict[str, ConflictPolicy] = Field(default_factory=dict)
    delete_policy: DeletePolicy = DeletePolicy.HOLD
    delete_limit: int = Field(25, ge=0, le=1_000_000_000)
    delete_limit_fraction: float = Field(0.2, ge=0, le=1)
    #: Values that become empty, per field, and e-mails that change, per side and 24 hours; the share is of the linked.
    change_limit: int = Field(25, ge=0, le=1_000_000_000)
    change_limit_fraction: float = Field(0.2, ge=0, le=1_000)
    #: People made after the first sync, per side and 24 hours, as a share of the linked.
    create_limit_fraction: float = Field(1.0, ge=0, le=1_000_000)
    #: A record or contact edited less than this ago waits for the next run: it may be half typed.
    settle_seconds: int = Field(0, ge=0, le=86_400)
    #: What a mapped column that is gone or holds something else does: stop that field alone, or the whole connection.
    on_schema_change: Literal["stop_field", "stop_connection"] = "stop_field"
    field_mapping: dict[str, str] | None = None
