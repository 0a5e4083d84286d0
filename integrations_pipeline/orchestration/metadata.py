"""What a materialization shows a person: counts that plot, a masked table of changes, the way to more.

Belongs here: turning a `SyncReport` into Dagster metadata. Does not: personal data; values never appear,
only field names and our own ids. Everything is a plain int, float or str: Dagster refuses numpy's.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from integrations_pipeline.model import COUNT_NAMES, Change, Direction, SyncResult
from integrations_pipeline.sync.report import SyncReport

#: The page that says what to do about what a run leaves to people, and about every check.
RUNBOOK = "docs/operations.md"
#: Rows of the sample table.
SAMPLE_SIZE = 20

_COLUMNS = dg.TableSchema(columns=[dg.TableColumn(name) for name in ("write to", "what", "contact", "fields", "why")])


def summary(report: SyncReport) -> dict[str, Any]:
    """What every asset of one run shows."""
    seconds = max((result.duration_ms for result in report.results), default=0) / 1000
    found: dict[str, Any] = {
        "status": report.status.value,
        "api_calls": report.api_calls,
        "seconds": float(seconds),
        "sync_run_id": str(report.run_id or ""),
    }
    if report.refusals:
        found["refused"] = "; ".join(report.refusals)
    sections = _sections(report)
    if sections:
        listed = ", ".join(f"**{section}**" for section in sections)
        found["what_to_do"] = dg.MetadataValue.md(f"`{RUNBOOK}`, {listed}")
    return found


def _sections(report: SyncReport) -> list[str]:
    """Sections of the runbook for what this run leaves to a person."""
    has_failed = any(result.records_failed for result in report.results)
    wanted = {"Held deletes": report.held, "Conflicts": report.plan.conflicts, "Dead letters": has_failed}
    return [section for section, is_wanted in wanted.items() if is_wanted]


def contacts_metadata(report: SyncReport) -> dict[str, Any]:
    """For `<provider>/contacts`: how many contacts were looked at."""
    considered = {name.value: int(count) for name, count in report.plan.considered.items()}
    return {
        **summary(report),
        "dagster/row_count": considered.get(Direction.FROM_EXTERNAL.value, 0),
        "contacts_compared": considered.get(Direction.TO_EXTERNAL.value, 0),
    }


def plan_metadata(report: SyncReport) -> dict[str, Any]:
    """For `<provider>/plan`: what was planned, with a sample."""
    plan = report.plan
    sample = [_sample(change) for change in (*plan.held, *plan.changes)[:SAMPLE_SIZE]]
    return {
        **summary(report),
        "changes": len(plan.changes),
        "conflicts": report.conflicts,
        "held_deletes": report.held,
        "skipped": len(plan.skipped),
        **({"sample_changes": dg.MetadataValue.table(records=sample, schema=_COLUMNS)} if sample else {}),
    }


def _sample(change: Change) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "write to": change.side.value,
            "what": change.kind.value,
            "contact": change.contact_id or change.external_id or "",
            "fields": ", ".join(change.after),
            "why": change.reason,
        }
    )


def direction_metadata(report: SyncReport, direction: Direction) -> dict[str, Any]:
    """For `<provider>/to_external` and `from_external`: the counts of the sync log row."""
    result = next((found for found in report.results if found.direction == direction.value), None)
    return {**summary(report), **(_counts(result) if result else {})}


def mail_metadata(report: SyncReport, prefix: str) -> dict[str, Any]:
    """For a mailbox: how many pitches ended how (`pitches_`), how many messages of each kind came in (`mail_`)."""
    told = report.results[0].metadata if report.results else {}
    counts = {name.removeprefix(prefix): int(n) for name, n in told.items() if name.startswith(prefix)}
    return {**summary(report), **counts}


def _counts(result: SyncResult) -> Mapping[str, Any]:
    counts: dict[str, Any] = {name: int(getattr(result, name)) for name in COUNT_NAMES}
    if result.errors:
        counts["errors"] = dg.MetadataValue.json(list(result.errors[:SAMPLE_SIZE]))
    return counts
