"""Which assets a provider has, what they depend on, which direction each stands for, and what each shows.

    pitches ─► sent_pitches ─► replies                         a mailbox
    contacts ─► plan ─► to_external, from_external             an address book
    contacts ─► plan ─► from_external                          without one, the people met in the mailbox

Belongs here: these shapes. Does not: running them (`assets`, `batch`).
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import dagster as dg

from integrations_pipeline.model import Direction
from integrations_pipeline.orchestration.metadata import (
    Told,
    contacts_metadata,
    direction_metadata,
    mail_metadata,
    plan_metadata,
)
from integrations_pipeline.providers.base import ProviderSpec

REGISTRY_KEY = dg.AssetKey(["workspace", "contacts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetShape:
    """One asset of a provider. `direction`: what materialising it means; None for a preview."""

    name: str
    description: str
    show: Callable[[Told], Mapping[str, Any]]
    after: Sequence[str] = ()
    needs_registry: bool = False
    direction: Direction | None = None


_CONTACTS = (
    AssetShape(
        name="contacts",
        description="The contacts as {title} holds them: what changed there since the last sync, or all of them.",
        show=contacts_metadata,
    ),
    AssetShape(
        name="plan",
        description="What a sync changes on each side: three-way merge against the base, guarded. Materialise up to "
        "here for a preview that writes nothing.",
        show=plan_metadata,
        after=["contacts"],
        needs_registry=True,
    ),
)
_TO_EXTERNAL = AssetShape(
    name="to_external",
    description="Changes written to {title}; the outcome is in `integration_sync_logs`.",
    show=lambda told: direction_metadata(told, Direction.TO_EXTERNAL),
    after=["plan"],
    direction=Direction.TO_EXTERNAL,
)
_FROM_EXTERNAL = AssetShape(
    name="from_external",
    description="Changes taken from {title} into `workspace_contacts`.",
    show=lambda told: direction_metadata(told, Direction.FROM_EXTERNAL),
    after=["plan"],
    direction=Direction.FROM_EXTERNAL,
)
_MAIL = (
    AssetShape(
        name="pitches",
        description="The table `pitches`: e-mails that wait to be sent through {title}.",
        show=lambda told: mail_metadata(told, "pitches_"),
        needs_registry=True,
    ),
    AssetShape(
        name="sent_pitches",
        description="Pitches sent through {title}, each at most once; unknown ones wait for a person.",
        show=lambda told: direction_metadata(told, Direction.TO_EXTERNAL),
        after=["pitches"],
        direction=Direction.TO_EXTERNAL,
    ),
    AssetShape(
        name="replies",
        description="Replies, bounces and machines' answers to pitches, each recorded once.",
        show=lambda told: mail_metadata(told, "mail_"),
        after=["sent_pitches"],
        direction=Direction.FROM_EXTERNAL,
    ),
)


def shapes(spec: ProviderSpec) -> Sequence[AssetShape]:
    """The assets of a provider, in the order in which they are worked on."""
    mail = _MAIL if spec.mailbox else ()
    to_external = (_TO_EXTERNAL,) if spec.contacts else ()
    return (*mail, *_CONTACTS, *to_external, _FROM_EXTERNAL)


def key_of(spec: ProviderSpec, name: str) -> dg.AssetKey:
    return dg.AssetKey([spec.name, name])


def dependencies(spec: ProviderSpec, shape: AssetShape) -> list[dg.AssetKey]:
    return [*(key_of(spec, name) for name in shape.after), *([REGISTRY_KEY] if shape.needs_registry else [])]


def direction_of(spec: ProviderSpec, selected: AbstractSet[dg.AssetKey]) -> Direction | None:
    """The direction that the selected assets ask for; None for a preview."""
    wanted = {shape.direction for shape in shapes(spec) if shape.direction and key_of(spec, shape.name) in selected}
    return Direction.BIDIRECTIONAL if len(wanted) == 2 else next(iter(wanted), None)
