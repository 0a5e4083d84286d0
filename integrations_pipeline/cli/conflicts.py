"""`integrations conflicts`: fields that both sides changed; looking, deciding, taking a decision back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.contacts import assignment
from integrations_pipeline.cli.deciding import (
    AsOption,
    BecauseOption,
    DecidedOption,
    EmailFilter,
    EveryOption,
    FieldFilter,
    ProviderFilter,
    WorkspaceFilter,
    find_scope,
    operator,
    reason,
)
from integrations_pipeline.cli.explain_words import shown
from integrations_pipeline.cli.output import (
    JsonOption,
    LimitOption,
    WorkspaceOption,
    cut,
    find_workspace,
    print_json,
    print_table,
    say,
    wired,
)
from integrations_pipeline.cli.waiting_words import document_of
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.layout import amount, seen_from
from integrations_pipeline.model import ConflictPolicy, Decision
from integrations_pipeline.store import decisions
from integrations_pipeline.store.conflicts import Past, PastFilter, list_past
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.decisions import Verdict
from integrations_pipeline.store.ids import IdOf, find_id
from integrations_pipeline.store.waiting import CONFLICTS, Choice, Waiting, list_waiting
from integrations_pipeline.sync.policies import keep_always
from integrations_pipeline.sync.restoring import RestoreRequest, restore_loser
from integrations_pipeline.sync.runtime import Runtime

app = typer.Typer(help="Conflicts: fields that both sides changed.", no_args_is_help=True)
IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of `conflicts list`, or their beginnings.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="An id of `conflicts list --all`, or its beginning.")]
SHOWN = 200
_POLICIES = {Decision.LOCAL: ConflictPolicy.LOCAL_WINS, Decision.REMOTE: ConflictPolicy.REMOTE_WINS}


class Keep(StrEnum):
    LOCAL = "local"
    REMOTE = "remote"


KeepOption = Annotated[Keep | None, typer.Option("--keep", help="Whose value stands: this workspace's or the other.")]
SetOption = Annotated[
    str | None, typer.Option("--set", metavar="FIELD=VALUE", help="A value of your own; empty clears.")
]
AlwaysOption = Annotated[bool, typer.Option("--always", help="With --keep: from now on for these fields, too.")]


@app.command("list")
def list_all(
    workspace: WorkspaceFilter = None,
    provider: ProviderFilter = None,
    field: FieldFilter = None,
    email: EmailFilter = None,
    every: DecidedOption = False,
    limit: LimitOption = SHOWN,
    as_json: JsonOption = False,
) -> None:
    """List open conflicts with both values; with --all then those that were decided, with who won."""
    choice = Choice(kinds=CONFLICTS, provider=provider, field_name=field, email=email)
    wanted = PastFilter(provider=provider, field_name=field, email=email)
    with wired() as wiring:
        scope = find_scope(wiring, workspace, provider)
        with wiring.runtime.database.admin() as connection:
            waiting = list_waiting(connection, scope, choice, limit + 1, with_decided=every)
            past = list_past(connection, scope, wanted, limit + 1) if every else []
    opened = sorted(waiting, key=lambda item: item.decision is not None)
    rows = cut([*map(_of_waiting, opened), *map(_of_past, past)], limit)
    if as_json:
        print_json(rows)
    else:
        _show(rows, workspace, is_every=every)


def _of_waiting(item: Waiting) -> dict[str, Any]:
    return {
        **document_of(item, ""),
        "external_id": item.external_id,
        "local_at": item.local_at,
        "remote_at": item.remote_at,
        "state": "decided" if item.decision else "open",
        "winner": item.decision if item.decision in set(Keep) else None,
        "value": item.fields.get("value"),
        "policy": None,
        "decided_by": item.decided_by,
        "decided_at": item.decided_at,
        "run": item.run_id,
    }


def _of_past(past: Past) -> dict[str, Any]:
    restore = f"integrations conflicts restore {past.id} --workspace {past.workspace}"
    return {
        "id": past.id,
        "workspace": past.workspace,
        "provider": past.provider,
        "connection": past.provider,
        "kind": "conflict",
        "contact_id": past.contact_id,
        "email": past.email,
        "field": past.field_name,
        **{side: past.fields.get(side) for side in ("local", "remote", "base")},
        "reason": None,
        "since": past.at,
        "command": restore if past.state == "applied" else None,
        "external_id": past.external_id,
        "local_at": past.local_at,
        "remote_at": past.remote_at,
        "state": past.state,
        "winner": past.winner,
        "value": None,
        "policy": past.policy,
        "decided_by": None,
        "decided_at": past.at,
        "run": past.run_id,
    }


def _show(rows: Sequence[dict[str, Any]], workspace: str | None, *, is_every: bool) -> None:
    title = f"Conflicts of {workspace}" if workspace else "Conflicts"
    if not rows:
        say(f"{title}: none" if is_every else f"{title}: none open; --all shows those that were decided")
        return
    columns = ("id", "workspace", "provider", "contact", "field", "base", "local", "remote", "kept", "by", "since")
    print_table(title, columns, [_cells(row, is_all=workspace is None) for row in rows])
    of = f"--workspace {workspace or 'SLUG'}"
    if any(row["state"] == "open" for row in rows):
        say(
            f"decide: integrations conflicts resolve ID... --keep local|remote {of}",
            "--set FIELD=VALUE in place of --keep takes a value of your own",
        )
    if any(row["state"] == "applied" for row in rows):
        say(f"take the value that lost: integrations conflicts restore ID {of}")


def _cells(row: dict[str, Any], *, is_all: bool) -> list[Any]:
    kept = row["winner"] or ("undecided" if row["state"] == "open" else "a value of its own")
    by = row["policy"] or row["decided_by"]
    values = [_value(row, side) for side in ("base", "local", "remote")]
    slug = row["workspace"] if is_all else ""
    return [
        row["id"],
        slug,
        row["provider"],
        row["email"] or row["contact_id"],
        row["field"],
        *values,
        kept,
        by,
        row["since"],
    ]


def _value(row: dict[str, Any], side: str) -> str:
    """A side's value, with the time at which it was changed where that is known."""
    text, at = shown(row["field"], str(row[side] or "")), row.get(f"{side}_at")
    return f"{text} ({seen_from(datetime.fromisoformat(at), datetime.now(UTC))})" if at else text


@app.command()
def resolve(
    workspace: WorkspaceOption,
    ids: IdsArgument = None,
    keep: KeepOption = None,
    value: SetOption = None,
    always: AlwaysOption = False,
    field: FieldFilter = None,
    email: EmailFilter = None,
    provider: ProviderFilter = None,
    every: EveryOption = False,
    because: BecauseOption = None,
    as_name: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which value stands; the next sync writes it on the side that has another."""
    verdict = _verdict(keep, value, always=always, because=because, as_name=as_name)
    field = field if field is not None or ids or not (email or provider) else verdict.field_name or None
    choice = Choice(
        kinds=CONFLICTS, ids=list(ids or ()), field_name=field, email=email, provider=provider, is_all=every
    )
    with wired() as wiring:
        if provider is not None:
            wiring.runtime.spec(provider)
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            done = decisions.decide_conflicts(connection, workspace_id, choice, verdict).done
            if always:
                _keep_always(wiring.runtime, connection, done, _POLICIES[verdict.decision])
    if as_json:
        told = {"decision": verdict.decision.value, "decided": len(done), "ids": [str(row.id) for row in done]}
        print_json({**told, "always": sorted({str(row.field_name) for row in done}) if always else []})
    else:
        fields = ", ".join(sorted({str(row.field_name) for row in done}))
        say(
            f"{amount(len(done), 'conflict')} decided: the next sync writes it"
            + (f"; always for {fields}" if always else "")
        )


def _verdict(
    keep: Keep | None, value: str | None, *, always: bool, because: str | None, as_name: str | None
) -> Verdict:
    if (keep is None) == (value is None):
        raise ConfigurationError("say --keep local, --keep remote or --set FIELD=VALUE")
    if always and keep is None:
        raise ConfigurationError("--always goes with --keep: a value of your own is no policy")
    by, why = operator(as_name), reason(because)
    if keep is not None:
        return Verdict(decision=Decision(keep.value), by=by, because=why, is_always=always)
    name, text = assignment(value or "")
    return Verdict(decision=Decision.VALUE, by=by, because=why, field_name=name, value=text)


def _keep_always(runtime: Runtime, connection: Connection, done: Sequence[Waiting], policy: ConflictPolicy) -> None:
    for connection_id in {row.connection_id for row in done if row.connection_id}:
        fields = {row.field_name for row in done if row.connection_id == connection_id and row.field_name}
        keep_always(runtime, connection, connection_id, dict.fromkeys(sorted(fields), policy))


@app.command()
def restore(
    change_id: IdArgument,
    workspace: WorkspaceOption,
    field: FieldFilter = None,
    because: BecauseOption = None,
    as_name: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the value that lost a decided conflict: it is written here, and the next sync carries it over."""
    by, why = operator(as_name), reason(because)
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            found: UUID = find_id(connection, IdOf.DECIDED, change_id)
            request = RestoreRequest(change_id=found, by=by, field_name=field, because=why)
            restored = restore_loser(connection, workspace_id, request)
    if as_json:
        print_json({"id": str(found), "contact_id": restored.contact_id, "fields": list(restored.fields)})
    else:
        say(f"restored {', '.join(restored.fields)}: the next sync carries it to {restored.provider}")
