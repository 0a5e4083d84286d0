"""What assets, sensors and schedules are given: the program's runtime, opened when a run begins.

Belongs here: Dagster resources. Does not: reading the environment; `wiring.read_settings` does, and only
when a run or tick starts, so that loading the definitions needs no environment at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from integrations_pipeline.store import workspaces
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.wiring import Wiring, read_settings


class SyncResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Database, credentials and providers, from the environment variables of docs/operations.md."""

    @contextmanager
    def runtime(self) -> Iterator[Runtime]:
        """The runtime, closed at the end also if the run fails."""
        wiring = Wiring(read_settings())
        try:
            yield wiring.runtime
        finally:
            wiring.close()

    def workspace_slugs(self) -> list[str]:
        """Every workspace, by slug."""
        with self.runtime() as runtime, runtime.database.admin() as connection:
            return [workspace.slug for workspace in workspaces.list_workspaces(connection)]
