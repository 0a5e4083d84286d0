"""The account that a conformance suite runs on, and what a provider's capabilities claim of it.

Belongs here: `Bench`, which a third party writes, and which promises go with which capability. Does not: the promises.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TypeVar

from integrations_pipeline.model import Side
from integrations_pipeline.providers.base import Capabilities, Provider
from integrations_pipeline.providers.columns import KnownColumn

Fields = Mapping[str, str]
Test = TypeVar("Test", bound=Callable[..., object])
Declares = Callable[[Capabilities], bool]


def needs(*declared: tuple[str, Declares]) -> Callable[[Test], Test]:
    """Marks a promise of providers whose capabilities declare all of this; for others it is skipped."""

    def marked(test: Test) -> Test:
        setattr(test, _NEEDS, declared)
        return test

    return marked


_NEEDS = "declared_capabilities"
WRITTEN: tuple[str, Declares] = ("it is written to (directions)", lambda told: told.directions.allows(Side.REMOTE))
READ_ONLY: tuple[str, Declares] = ("it is only read (directions)", lambda told: not told.directions.allows(Side.REMOTE))
LISTED: tuple[str, Declares] = ("it can be read whole (tells_new_only)", lambda told: not told.tells_new_only)
MET: tuple[str, Declares] = ("its records are people met (tells_new_only)", lambda told: told.tells_new_only)
DATED: tuple[str, Declares] = ("records are dated (tells_modified_at)", lambda told: told.tells_modified_at)
KEYED: tuple[str, Declares] = (
    "it has room for our contact's id (keeps_contact_key)",
    lambda told: told.keeps_contact_key,
)
COLUMNED: tuple[str, Declares] = (
    "somebody may take a column away (has_own_columns)",
    lambda told: told.has_own_columns,
)


class Bench(ABC):
    """One account under test. Field values are as in `model`; the fields `email` and `name` must be mapped, and
    `company` unless the records are people met. `capabilities`: those of the provider's spec. `page_size` is how many
    records a read gives at once."""

    capabilities: Capabilities
    page_size: int
    #: Whether an incremental read looks back a little, and so may tell again what was told.
    looks_back: bool = False

    @abstractmethod
    def provider(
        self, *, is_authorised: bool = True, known: Mapping[str, KnownColumn] = MappingProxyType({})
    ) -> Provider:
        """A new provider on the account; the caller closes it. Without authorisation: with a wrong token. `known`: the
        columns as an earlier run saw them."""

    @abstractmethod
    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        """Records made by somebody else; their ids."""

    @abstractmethod
    def people_edit(self, external_id: str, fields: Fields) -> None:
        """An edit by somebody else."""

    @abstractmethod
    def people_delete(self, external_id: str) -> None:
        """A delete by somebody else."""

    @abstractmethod
    def admin_removes(self, name: str) -> None:
        """An admin of the account takes the column of this field away, for good."""

    @abstractmethod
    def answers_without_values(self) -> AbstractContextManager[None]:
        """As long as this lasts the account tells records without any value of theirs."""

    @abstractmethod
    def drops(self, name: str) -> AbstractContextManager[None]:
        """As long as this lasts the account takes writes and keeps nothing of this field, without a word."""

    @abstractmethod
    def forget_cursors(self) -> None:
        """Make the provider forget where readers are, as after a long time."""

    @property
    @abstractmethod
    def poison(self) -> Fields:
        """Fields of a contact that the provider refuses for good."""

    @property
    @abstractmethod
    def unknown_id(self) -> str:
        """An id of the provider's form that no record has."""


def undeclared(test: object, capabilities: Capabilities) -> str:
    """Which of the capabilities that a promise needs is not declared; "" if all are."""
    return next((words for words, is_declared in getattr(test, _NEEDS, ()) if not is_declared(capabilities)), "")
