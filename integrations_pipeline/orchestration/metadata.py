"""What a materialization shows a person: counts that plot, a masked table of changes, the way to more.

Belongs here: turning a `SyncReport` into Dagster metadata. Does not: personal data; values never appear, only field
names, and people by masked e-mails. Everything is a plain int, float or str: Dagster refuses numpy's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from integrations_pipeline.model import COUNT_NAMES, Change, Direction, RunStatus, SyncResult
from integrations_pipeline.sync.report import SyncReport

#: The page that says what to do about what a run leaves to people, and about every check.
RUNBOOK = "docs/operations.md"
#: Rows of the sample table.
SAMPLE_SIZE = 20

_COLUMNS = dg.TableSchema(
    columns=[dg.TableColumn(name) for name in ("state", "write to", "what", "contact", "fields", "why")]
)


_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
NO_EMAIL = "a contact without e-mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A report, and the e-mails of those contacts that it names by id."""

    report: SyncReport
    emails: Mapping[str, str] = field(default_factory=dict)

    @property
    def named_ids(self) -> set[str]:
        """Ids of contacts that would be shown."""
        ids = {change.contact_id for _, change in self.sample if change.contact_id}
        return ids | {found for result in self.report.results for line in result.errors for found in _ID.findall(line)}

    @property
    def sample(self) -> tuple[tuple[str, Change], ...]:
        """Changes with what becomes of them: first those that a person has to decide about."""
        plan = self.report.plan
        every = [("held", each) for each in plan.held] + [("undecided", each) for each in plan.conflicts]
        return (*every, *(("to write", each) for each in plan.changes))[:SAMPLE_SIZE]

    def name(self, change: Change) -> str:
        """The contact, by masked e-mail."""
        known = self.emails.get(change.contact_id or "")
        email = known or change.after.get("email") or change.before.get("email") or change.address
        return masked(email) if email else NO_EMAIL

    def without_ids(self, line: str) -> str:
        """A message with masked e-mails where it has ids of contacts; other ids, as a pitch's, stay."""
        return _ID.sub(lambda found: masked(self.emails[found[0]]) if found[0] in self.emails else found[0], line)


def masked(email: str) -> str:
    """`a…n@example.org`: enough to recognise somebody by, too little to write to."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}…{local[-1] if len(local) > 2 else ''}@{domain}"


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
    if report.error:
        found["error"] = report.error
    sections = _sections(report)
    if sections:
        listed = ", ".join(f"**{section}**" for section in sections)
        found["what_to_do"] = dg.MetadataValue.md(f"`{RUNBOOK}`, {listed}")
    return found


def _sections(report: SyncReport) -> list[str]:
    """Sections of the runbook for what this run leaves to a person."""
    if report.status is RunStatus.FAILED:
        return ["Failed partitions"]
    has_failed = any(result.records_failed for result in report.results)
    wanted = {"Held changes": report.held, "Conflicts": report.plan.conflicts, "Failed records": has_failed}
    return [section for section, is_wanted in wanted.items() if is_wanted]


def contacts_metadata(told: Told) -> dict[str, Any]:
    """For `<provider>/contacts`: how many contacts were looked at."""
    report = told.report
    considered = {name.value: int(count) for name, count in report.plan.considered.items()}
    return {
        **summary(report),
        "dagster/row_count": considered.get(Direction.FROM_EXTERNAL.value, 0),
        "contacts_compared": considered.get(Direction.TO_EXTERNAL.value, 0),
    }


def plan_metadata(told: Told) -> dict[str, Any]:
    """For `<provider>/plan`: what was planned, with a sample."""
    report, plan = told.report, told.report.plan
    sample = [_sample(state, change, told.name(change)) for state, change in told.sample]
    return {
        **summary(report),
        "changes": len(plan.changes),
        "conflicts": report.conflicts,
        "undecided": len(plan.conflicts),
        "held": report.held,
        "skipped": len(plan.skipped),
        **({"sample_changes": dg.MetadataValue.table(records=sample, schema=_COLUMNS)} if sample else {}),
    }


def _sample(state: str, change: Change, name: str) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "state": state,
            "write to": change.side.value,
            "what": change.kind.value,
            "contact": name,
            "fields": ", ".join(change.after),
            "why": change.reason,
        }
    )


def direction_metadata(told: Told, direction: Direction) -> dict[str, Any]:
    """For `<provider>/to_external` and `from_external`: the counts of the sync log row; zeros where there is none."""
    result = next((found for found in told.report.results if found.direction == direction.value), None)
    return {**summary(told.report), **_counts(told, result)}


def mail_metadata(told: Told, prefix: str) -> dict[str, Any]:
    """For a mailbox: how many pitches ended how (`pitches_`), how many messages of each kind came in (`mail_`)."""
    report = told.report
    logged = report.results[0].metadata if report.results else {}
    counts = {name.removeprefix(prefix): int(n) for name, n in logged.items() if name.startswith(prefix)}
    return {**summary(report), **counts}


def _counts(told: Told, result: SyncResult | None) -> Mapping[str, Any]:
    counts: dict[str, Any] = {name: int(getattr(result, name, 0)) for name in COUNT_NAMES}
    if result and result.errors:
        counts["errors"] = dg.MetadataValue.json([told.without_ids(line) for line in result.errors[:SAMPLE_SIZE]])
    return counts
