"""What the next syncs would change, of every workspace and provider in one table: the asset `workspace/plan`.

Belongs here: the asset, its config and its rows. Does not: a preview (`sync.run.plan_only`), many at a time (`batch`).
Each row has the id of its preview, which `integrations sync --plan` takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.layout import short_id
from integrations_pipeline.model import Change, ChangeKind, Side
from integrations_pipeline.orchestration.assets import OWNER
from integrations_pipeline.orchestration.batch import Batch, BatchRequest, WorkspaceOutcome
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.shapes import REGISTRY_KEY
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.runtime import Runtime

FLEET_PLAN_KEY = dg.AssetKey(["workspace", "plan"])
#: Rows of the table, those with the most changes first; how many are not shown is told beside it.
MOST_ROWS = 500

_NUMBERS = ("creates_here", "updates_here", "deletes_here", "creates_there", "updates_there", "deletes_there")
_WAITING = ("held", "undecided", "skipped")
#: Few and narrow: the page of an asset is no wider than seven of them.
_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("workspace"),
        dg.TableColumn("provider"),
        dg.TableColumn("here", description="What would be written to the workspace's contacts."),
        dg.TableColumn("there", description="What would be written at the provider."),
        dg.TableColumn("waits", description="What a person has to decide, or mend."),
        dg.TableColumn("plan", description="The id of the preview; `integrations sync --plan` applies it."),
        dg.TableColumn("why", description="Why nothing was planned: skipped, failed or refused."),
    ]
)
_WORDS = {"creates": "new", "updates": "changed", "deletes": "deleted"}


class FleetPlanConfig(dg.Config):
    """Whose next syncs to preview; nothing is written at a provider or to a contact."""

    workspaces: list[str] = Field(default=[], description="Slugs; none means every connected workspace.")
    providers: list[str] = Field(default=[], description="Names; none means every provider.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """One workspace and provider. `numbers`: counts by column, 0 where nothing was planned."""

    workspace: str
    provider: str
    numbers: dict[str, int]
    plan: str = ""
    why: str = ""

    @property
    def changes(self) -> int:
        return sum(self.numbers[name] for name in _NUMBERS)

    @property
    def is_quiet(self) -> bool:
        return not any(self.numbers.values()) and not self.why

    def record(self) -> dg.TableRecord:
        return dg.TableRecord(
            {
                "workspace": self.workspace,
                "provider": self.provider,
                "here": self._words({f"{name}_here": word for name, word in _WORDS.items()}),
                "there": self._words({f"{name}_there": word for name, word in _WORDS.items()}),
                "waits": self._words({name: name for name in _WAITING}),
                "plan": short_id(self.plan),
                "why": self.why,
            }
        )

    def _words(self, names: Mapping[str, str]) -> str:
        """`3 new, 1 changed`; "" where all are 0."""
        return ", ".join(f"{self.numbers[name]} {word}" for name, word in names.items() if self.numbers[name])


@dg.asset(
    key=FLEET_PLAN_KEY,
    group_name="workspace",
    kinds={"python"},
    owners=[OWNER],
    deps=[REGISTRY_KEY],
    description="What the next syncs would change: one row per workspace and provider that has something to do. "
    "A preview: nothing is applied. Launch it with some workspaces or providers by its config.",
)
def fleet_plan(
    context: dg.AssetExecutionContext, config: FleetPlanConfig, sync: SyncResource
) -> dg.MaterializeResult[None]:
    connected = sync.connected_workspaces()
    try:
        with sync.runtime() as runtime:
            for name in config.providers:
                runtime.spec(name)
            rows = list(_rows(runtime, context.run.run_id, _chosen(connected, config)))
    except IntegrationError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    return dg.MaterializeResult(metadata=fleet_metadata(rows))


def _chosen(connected: dict[str, list[str]], config: FleetPlanConfig) -> dict[str, list[str]]:
    """Slugs by provider; `Failure` for a workspace that no chosen provider has a connection of."""
    providers = config.providers or sorted(connected)
    known = {slug for name in providers for slug in connected.get(name, [])}
    if unknown := sorted(set(config.workspaces) - known):
        raise dg.Failure(
            description=f"workspaces: {unknown[0]!r} has no connection of {', '.join(providers)}", allow_retries=False
        )
    wanted = set(config.workspaces) or known
    return {name: [slug for slug in connected.get(name, []) if slug in wanted] for name in providers}


def _rows(runtime: Runtime, dagster_run_id: str, chosen: dict[str, list[str]]) -> Iterator[FleetRow]:
    for provider, slugs in chosen.items():
        request = BatchRequest(provider=provider, slugs=slugs, direction=None, dagster_run_id=dagster_run_id)
        with closing(Batch(runtime, request).outcomes()) as outcomes:
            for outcome in outcomes:
                yield row_of(provider, outcome)


def row_of(provider: str, outcome: WorkspaceOutcome) -> FleetRow:
    """What one preview came to."""
    if outcome.told is None or outcome.failed:
        nothing = dict.fromkeys((*_NUMBERS, *_WAITING), 0)
        return FleetRow(
            workspace=outcome.slug, provider=provider, numbers=nothing, why=outcome.failed or outcome.skipped
        )
    report = outcome.told.report
    return FleetRow(
        workspace=outcome.slug,
        provider=provider,
        numbers=_numbers(report),
        plan=str(report.plan_id or ""),
        why="; ".join(report.refusals),
    )


def _numbers(report: SyncReport) -> dict[str, int]:
    plan = report.plan
    sides = {"here": Side.LOCAL, "there": Side.REMOTE}
    kinds = {"creates": ChangeKind.CREATE, "updates": ChangeKind.UPDATE, "deletes": ChangeKind.DELETE}
    counts = {
        f"{what}_{where}": _count(plan.changes, kind, side)
        for where, side in sides.items()
        for what, kind in kinds.items()
    }
    return {**counts, "held": report.held, "undecided": len(plan.conflicts), "skipped": len(plan.skipped)}


def _count(changes: Sequence[Change], kind: ChangeKind, side: Side) -> int:
    return sum(change.kind is kind and change.side is side for change in changes)


def fleet_metadata(rows: Sequence[FleetRow]) -> dict[str, Any]:
    """The table, the totals, and how many rows it does not show."""
    loud = sorted(
        (row for row in rows if not row.is_quiet), key=lambda row: (-row.changes, row.workspace, row.provider)
    )
    shown = [row.record() for row in loud[:MOST_ROWS]]
    totals = {name: sum(row.numbers[name] for row in rows) for name in (*_NUMBERS, *_WAITING)}
    return {
        **({"next_syncs": dg.MetadataValue.table(records=shown, schema=_COLUMNS)} if shown else {}),
        "previews": len(rows),
        "nothing_to_do": len(rows) - len(loud),
        "not_planned": sum(bool(row.why) and not row.plan for row in rows),
        **totals,
        "rows_not_shown": len(loud) - len(shown),
    }
