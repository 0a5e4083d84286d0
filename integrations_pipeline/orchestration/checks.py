"""The asset checks: how the connections of a provider are, all workspaces in one step.

Belongs here: which finding fails which check, how badly, and where a person reads on. Does not: the question
to the database (`store.health`). Checks are of the fleet, not of a partition: they name the workspaces
concerned by slug, and a person goes on with `integrations status`. They hang on an asset of their own, the table
of connections, which nothing materialises. On the assets of a batch they would be planned by every backfill, and
skipped or shown as failed with it, because a batch tells Dagster of events and not of outputs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from integrations_pipeline.orchestration.metadata import RUNBOOK
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store.health import Finding, Health, read_health

#: Slugs that a result names; the rest is counted.
NAMED = 100
OWNER = "team:data"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCheck:
    """A check of a provider's connections. It fails by `findings`, and warns by `warnings`."""

    question: str
    section: str
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    #: What lists what it found, of one of the workspaces named.
    command: str = ""


CHECKS: Mapping[str, FleetCheck] = {
    "connection_healthy": FleetCheck(
        question="Does every enabled connection sync? Stopped ones fail the check, ones that are tried again warn.",
        section="Stopped and failing connections",
        findings=(Finding.STOPPED,),
        warnings=(Finding.FAILING,),
    ),
    "fresh": FleetCheck(
        question="Was every active connection synced within twice its frequency?",
        section="Stale connections",
        warnings=(Finding.STALE,),
    ),
    "fully_read": FleetCheck(
        question="Was everything of every active connection read within a day and twice its frequency?",
        section="Overdue full reads",
        warnings=(Finding.UNREAD,),
    ),
    "no_stopped_fields": FleetCheck(
        question="Is no field left alone because its column is gone or cannot hold it?",
        section="Stopped fields",
        warnings=(Finding.STOPPED_FIELDS,),
    ),
    "no_held_deletes": FleetCheck(
        question="Does no held change wait for a person? `integrations holds list` has them.",
        section="Held changes",
        warnings=(Finding.HELD_DELETES,),
        command="integrations holds list",
    ),
    "no_open_conflicts": FleetCheck(
        question="Does no conflict wait for a person? `integrations conflicts list` has them.",
        section="Conflicts",
        warnings=(Finding.OPEN_CONFLICTS,),
        command="integrations conflicts list",
    ),
    "no_dead_letters": FleetCheck(
        question="Is no change refused by the side that it goes to? `integrations failures list` has them.",
        section="Failed records",
        warnings=(Finding.DEAD_LETTERS,),
        command="integrations failures list",
    ),
    "counts_add_up": FleetCheck(
        question="Do the counts of the last sync log rows agree with the journal?",
        section="Counts that do not add up",
        findings=(Finding.COUNTS,),
    ),
    "consistent": FleetCheck(
        question="Did both sides hold the same, but for what waits, when they were last compared in full?",
        section="Differing sides",
        findings=(Finding.INCONSISTENT,),
    ),
}


def health_step(provider: str) -> str:
    return f"{provider}_health"


def connections_key(spec: ProviderSpec) -> dg.AssetKey:
    return dg.AssetKey([spec.name, "connections"])


def build_connections(spec: ProviderSpec) -> dg.AssetSpec:
    """What the checks are about."""
    return dg.AssetSpec(
        key=connections_key(spec),
        group_name="workspace",
        kinds={"postgres"},
        owners=[OWNER],
        description=f"The connections of all workspaces to {spec.title}, table `integration_connections`. Its checks "
        "tell how they are, every ten minutes; every run tells how many it synced, and how many had nothing to do.",
    )


def checks_of(spec: ProviderSpec) -> dict[str, FleetCheck]:
    """A mailbox's log rows count messages, too, which no journal has; and without an address book there is nothing to
    be read whole or compared."""
    without = {"counts_add_up"} if spec.mailbox else set()
    without |= {"fully_read", "consistent"} if spec.contacts is None else set()
    return {name: check for name, check in CHECKS.items() if name not in without}


def build_health_checks(spec: ProviderSpec) -> dg.AssetChecksDefinition:
    """All checks of a provider as one step, for all workspaces, with one question to the database."""

    @dg.multi_asset_check(
        name=health_step(spec.name),
        specs=[
            dg.AssetCheckSpec(
                name=name,
                asset=connections_key(spec),
                description=f"{check.question} See {RUNBOOK}, section “{check.section}”.",
            )
            for name, check in checks_of(spec).items()
        ],
        can_subset=True,
    )
    def health(context: dg.AssetCheckExecutionContext, sync: SyncResource) -> Iterator[dg.AssetCheckResult]:
        with sync.runtime() as runtime, runtime.database.admin() as connection:
            found = read_health(connection, spec.name, runtime.clock())
        for key in sorted(context.selected_asset_check_keys):
            yield check_result(key, CHECKS[key.name], found)

    return health


def check_result(key: dg.AssetCheckKey, check: FleetCheck, health: Health) -> dg.AssetCheckResult:
    """Passed, or failed with the workspaces concerned, those with most of it first."""
    concerned = health.of(*check.findings, *check.warnings)
    is_error = bool(health.of(*check.findings))
    metadata: dict[str, dg.MetadataValue] = {
        "workspaces_concerned": dg.MetadataValue.int(len(concerned)),
        "connections_checked": dg.MetadataValue.int(health.checked),
    }
    if concerned:
        metadata["workspaces"] = dg.MetadataValue.json(list(concerned)[:NAMED])
        metadata["amounts"] = dg.MetadataValue.json(list(concerned.values())[:NAMED])
        look = f"`{check.command} --workspace {next(iter(concerned))}`; " if check.command else ""
        metadata["what_to_do"] = dg.MetadataValue.md(f"{look}`{RUNBOOK}`, section **{check.section}**")
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not concerned,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )
