"""The asset checks: how the connections of a provider are, all workspaces in one step.

Belongs here: which finding fails which check, how badly, and where a person reads on. Does not: the question
to the database (`store.health`). Checks are of the fleet, not of a partition: they name the workspaces
concerned by slug, and a person goes on with `integrations status`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import dagster as dg

from integrations_pipeline.orchestration.metadata import RUNBOOK
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.shapes import key_of
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store.health import Finding, Health, read_health

#: Slugs that a result names; the rest is counted.
NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCheck:
    """A check on one of the provider's assets. It fails by `findings`, and warns by `warnings`."""

    asset: str
    question: str
    section: str
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


CHECKS: Mapping[str, FleetCheck] = {
    "connection_healthy": FleetCheck(
        asset="contacts",
        question="Does every enabled connection sync? Stopped ones fail the check, ones that are tried again warn.",
        section="Stopped and failing connections",
        findings=(Finding.STOPPED,),
        warnings=(Finding.FAILING,),
    ),
    "fresh": FleetCheck(
        asset="contacts",
        question="Was every active connection synced within twice its frequency?",
        section="Stale connections",
        warnings=(Finding.STALE,),
    ),
    "no_held_deletes": FleetCheck(
        asset="plan",
        question="Does no delete wait for a person?",
        section="Held deletes",
        warnings=(Finding.HELD_DELETES,),
    ),
    "no_open_conflicts": FleetCheck(
        asset="plan",
        question="Does no conflict wait for a person?",
        section="Conflicts",
        warnings=(Finding.OPEN_CONFLICTS,),
    ),
    "no_dead_letters": FleetCheck(
        asset="to_external",
        question="Is no change refused by the side that it goes to?",
        section="Dead letters",
        warnings=(Finding.DEAD_LETTERS,),
    ),
    "counts_add_up": FleetCheck(
        asset="from_external",
        question="Do the counts of the last sync log rows agree with the journal?",
        section="Counts that do not add up",
        findings=(Finding.COUNTS,),
    ),
}


def health_step(provider: str) -> str:
    return f"{provider}_health"


def checks_of(spec: ProviderSpec) -> dict[str, FleetCheck]:
    """A mailbox has no contacts to write to, and its log rows count messages, too, which no journal has."""
    if not spec.has_mailbox:
        return dict(CHECKS)
    kept = {name: check for name, check in CHECKS.items() if name != "counts_add_up"}
    return {**kept, "no_dead_letters": replace(kept["no_dead_letters"], asset="sent_pitches")}


def build_health_checks(spec: ProviderSpec) -> dg.AssetChecksDefinition:
    """All checks of a provider as one step, for all workspaces, with one question to the database."""

    @dg.multi_asset_check(
        name=health_step(spec.name),
        specs=[
            dg.AssetCheckSpec(
                name=name,
                asset=key_of(spec, check.asset),
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
        metadata["what_to_do"] = dg.MetadataValue.md(f"`{RUNBOOK}`, section **{check.section}**")
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not concerned,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )
