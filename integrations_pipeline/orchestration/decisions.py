"""People's decisions from Dagster's launchpad: the same as the commands `holds` and `conflicts`.

Belongs here: the job and its config. Does not: the decision (`store.decisions`). Config is kept and shown by Dagster,
so it names nobody: people are chosen by ids, kinds, fields and runs; values of one's own are typed into the command.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import Decision
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.store import decisions, workspaces
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.decisions import Decided, Verdict
from integrations_pipeline.store.waiting import CONFLICTS, HOLDS, Choice

DECISION_JOB = "decide"
_OF_HOLDS = (Decision.APPROVED, Decision.REJECTED)
_CHOICES = (*_OF_HOLDS, Decision.LOCAL, Decision.REMOTE)


class DecideConfig(dg.Config):
    """What is decided, about what, by whom and why."""

    workspace: str = Field(description="The workspace's slug.")
    decision: str = Field(
        description="Of held changes: approved (the next run makes them) or rejected (what is there is kept). "
        "Of conflicts: local or remote (whose value stands)."
    )
    operator: str = Field(description="Who decides; it stays on record.")
    because: str = Field(default="", description="Why; it stays on record. Names nobody.")
    ids: list[str] = Field(
        default_factory=list,
        description="Ids of `integrations inbox`, or their beginnings. Without any, a filter or everything is needed.",
    )
    kinds: list[str] = Field(
        default_factory=list,
        description="Only these kinds of held changes: held_delete, held_clear, held_email, held_create, held_place.",
    )
    field: str | None = Field(default=None, description="Only of this workspace field, as `name`.")
    run: str | None = Field(default=None, description="Only what this sync run found: its id or the beginning of it.")
    provider: str | None = Field(default=None, description="Only of this provider.")
    everything: bool = Field(default=False, description="All held changes, or all open conflicts, of the workspace.")


@dg.op(
    name="decide_what_waits",
    description="Writes a decision down, all or nothing; the workspace's next sync carries it out. "
    "See docs/operations.md, section Held changes.",
)
def decide_op(context: dg.OpExecutionContext, config: DecideConfig, sync: SyncResource) -> None:
    try:
        verdict, choice = read_config(config)
        with sync.runtime() as runtime:
            if config.provider is not None:
                runtime.spec(config.provider)
            decided = _decide(runtime.database, config.workspace, choice, verdict)
    except IntegrationError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    told = metadata_of(config, decided)
    context.log.info(f"{told['decided']} {verdict.decision.value}, {told['left_out']} left out")
    context.add_output_metadata(told)


def _decide(database: Database, slug: str, choice: Choice, verdict: Verdict) -> Decided:
    with database.admin() as connection:
        workspace_id = workspaces.find_workspace(connection, slug).id
    decide = decisions.decide_holds if verdict.decision in _OF_HOLDS else decisions.decide_conflicts
    with database.workspace(workspace_id) as connection:
        return decide(connection, workspace_id, choice, verdict)


def read_config(config: DecideConfig) -> tuple[Verdict, Choice]:
    """What the config stands for; `Failure` for one that says no decision, or nobody who takes it."""
    if config.decision not in {each.value for each in _CHOICES}:
        raise dg.Failure(
            description=f"decision {config.decision!r}: choose one of {', '.join(each.value for each in _CHOICES)}",
            allow_retries=False,
        )
    if not config.operator.strip():
        raise dg.Failure(description="operator is blank: say who decides", allow_retries=False)
    verdict = Verdict(
        decision=Decision(config.decision),
        by=" ".join(config.operator.split()),
        because=" ".join(config.because.split()),
    )
    kinds = HOLDS if verdict.decision in _OF_HOLDS else CONFLICTS
    unknown = sorted(set(config.kinds) - set(kinds))
    if unknown:
        raise dg.Failure(
            description=f"kinds: {unknown[0]!r} does not go with {config.decision}; choose of {', '.join(kinds)}",
            allow_retries=False,
        )
    choice = Choice(
        kinds=config.kinds or kinds,
        is_narrowed=bool(config.kinds),
        ids=config.ids,
        field_name=config.field,
        run=config.run,
        provider=config.provider,
        is_all=config.everything,
    )
    return verdict, choice


def metadata_of(config: DecideConfig, decided: Decided) -> dict[str, Any]:
    """What the run shows: counts and ids, nobody's data."""
    kinds = sorted({row.kind for row in decided.done})
    return {
        "workspace": config.workspace,
        "decision": config.decision,
        "decided": len(decided.done),
        "left_out": len(decided.left_out),
        "kinds": {kind: sum(row.kind == kind for row in decided.done) for kind in kinds},
        "ids": dg.MetadataValue.json([str(row.id) for row in decided.done]),
        "reasons_left_out": dg.MetadataValue.json({str(key): why for key, why in decided.left_out.items()}),
    }


@dg.job(
    name=DECISION_JOB,
    description="Approve or reject held changes, or say whose value stands in conflicts, many at once. "
    "`integrations inbox` lists them with their ids.",
)
def decision_job() -> None:
    decide_op()
