"""One connection checked: what its provider finds, and whether another workspace has its place.

Belongs here: gathering what a check compares. Does not: what a provider looks at (its `check`), the command itself.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations_pipeline.cli.places import elsewhere
from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import ContactValues, FieldKind, MappedField
from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.providers.findings import Findings
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.store.contact_values import read_values
from integrations_pipeline.sync.runtime import Runtime, build_access, parse_settings, read_mapping

if TYPE_CHECKING:
    from integrations_pipeline.providers.access import Access

#: A person waits for the answer: a request that meets a fault is not tried again for as long as in a run.
PATIENCE_SECONDS = 10.0


def checked(runtime: Runtime, row: ConnectionRow) -> CheckReport:
    """Everything that a check of this connection finds; whatever keeps it from being asked at all is a problem."""
    try:
        spec = runtime.spec(row.integration_type)
        with runtime.database.workspace(row.workspace_id) as connection:
            mapping = read_mapping(connection, spec, parse_settings(spec, row.settings), row.id)
            values = read_values(connection, row.workspace_id, compared(mapping))
        access = build_access(runtime, row, mapping, is_read_only=True, patience_seconds=PATIENCE_SECONDS)
        try:
            return _asked(runtime, row, access, values)
        finally:
            access.close()
    except IntegrationError as error:
        return CheckReport(problems=(str(error),))


def compared(mapping: Sequence[MappedField]) -> list[str]:
    """The fields whose values are compared with their columns: those that go there. E-mail addresses are as many as
    contacts, and a column for them holds any."""
    return [each.name for each in mapping if each.rule.to_remote and each.kind is not FieldKind.EMAIL]


def _asked(runtime: Runtime, row: ConnectionRow, access: "Access", values: ContactValues) -> CheckReport:
    found = Findings()
    with found.until_ended():
        with found.asking("whether another workspace syncs the same place"):
            found.notes += [
                f"shared with another workspace: {slug} syncs the same place, and each gets the other's contacts"
                for slug, settings in elsewhere(runtime, row.workspace_id, row.integration_type)
                if access.contacts.is_place_of(settings)
            ]
        report = access.check(values)
        found.problems += report.problems
        found.notes += report.notes
    return found.report()
