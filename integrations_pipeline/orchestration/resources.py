"""What assets, sensors and schedules are given: the program's runtime, opened when a run begins.

Belongs here: Dagster resources. Does not: reading the environment; `wiring.read_settings` does, and only
when a run or tick starts, so that loading the definitions needs no environment at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store import fleet
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

    def connected_workspaces(self) -> dict[str, list[str]]:
        """Provider → slugs of the workspaces that are connected to it; every installed provider is there."""
        with self.runtime() as runtime, runtime.database.admin() as connection:
            found = fleet.connected_workspaces(connection)
        return {name: found.get(name, []) for name in provider_specs()}
