"""What a failed workspace's own partition shows: its error, nothing of the last good sync, people by masked e-mail."""

import re
from collections.abc import Sequence
from typing import cast
from uuid import UUID

import dagster as dg
import pytest

from integrations_pipeline.orchestration.batch import BREAKER_FAILURES
from integrations_pipeline.orchestration.metadata import masked
from integrations_pipeline.orchestration.partitions import ONLY_DUE, follow_connections
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import ASSETS, PROVIDER, run, states, tick
from integrations_sandbox import FaultRule

_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


def page(instance: dg.DagsterInstance, name: str, slug: str) -> dict[str, object]:
    """The metadata of a partition's page: what was observed after its newest materialization, in front of that."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey([PROVIDER, name]), asset_partitions=[slug])
    newest = instance.fetch_materializations(wanted, limit=1).records
    if not newest:
        return {}
    after = [o for o in instance.fetch_observations(wanted, limit=50).records if o.timestamp >= newest[0].timestamp]
    found: dict[str, object] = {}
    for each in [*after, *newest]:
        event = each.asset_materialization or each.asset_observation
        assert event is not None
        for label, value in event.metadata.items():
            found.setdefault(label, value.records if isinstance(value, dg.TableMetadataValue) else value.value)
    return found


def _break(environment: Environment, slug: str, table: str = "None") -> None:
    environment.rows(
        f"update integration_connections c set settings = c.settings || jsonb_build_object('table_id', '{table}') "
        f"from workspaces w where w.id = c.workspace_id and slug = '{slug}' returning slug"
    )


@pytest.mark.parametrize("has_synced", [True, False], ids=["after a good sync", "at the first sync"])
def test_the_error_stands_on_the_partition_of_the_workspace_that_failed(
    environment: Environment, instance: dg.DagsterInstance, has_synced: bool
) -> None:
    slugs = ["alpha", "broken"]
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=3))
    follow_connections(instance, {PROVIDER: slugs})
    if has_synced:
        assert run(instance, slugs).success
        assert page(instance, "to_external", "broken")["records_created"] == 3
    _break(environment, "broken")

    assert not run(instance, slugs).success

    for name in ASSETS:
        shown = page(instance, name, "broken")
        assert shown["status"] == "failed"
        assert "table" in str(shown["error"])
        assert "Failed partitions" in str(shown["what_to_do"])
        assert page(instance, name, "alpha")["status"] == "success"
        assert states(instance, name, slugs) == {"alpha": "MATERIALIZED", "broken": "FAILED"}
    assert page(instance, "to_external", "broken")["records_created"] == 0
    assert not page(instance, "plan", "broken").get("sample_changes")

    _break(environment, "broken", "Contacts")
    assert run(instance, ["broken"]).success
    repaired = page(instance, "to_external", "broken")
    assert (repaired["status"], repaired.get("error")) == ("success", None)
    assert states(instance, "plan", slugs) == dict.fromkeys(slugs, "MATERIALIZED")


def test_who_was_left_for_later_or_waits_says_so_on_its_partition(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = [f"w{i:02}" for i in range(16)]
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=1))
    follow_connections(instance, {PROVIDER: slugs})
    assert run(instance, slugs).success
    environment.sandbox.stage.faults.add(FaultRule(action="status", status=403, times=-1))

    assert not run(instance, slugs).success

    shown = [page(instance, "plan", slug) for slug in slugs]
    assert {each["status"] for each in shown} == {"failed"}
    errors = {slug: str(each["error"]) for slug, each in zip(slugs, shown, strict=True)}
    # Several are synced at a time, so which ones were left differs.
    later = [slug for slug in slugs if "left for later" in errors[slug]]
    tried = next(slug for slug in slugs if slug not in later)
    assert len(later) + BREAKER_FAILURES <= len(slugs) < len(later) + 2 * BREAKER_FAILURES

    # A later run that skips it keeps the error in sight.
    environment.sandbox.stage.faults.clear()
    _break(environment, later[-1])
    environment.rows("update integration_connections set next_sync_at = now() where error_count = 0 returning id")
    assert not run(instance, slugs, tags={ONLY_DUE: "true"}).success
    assert page(instance, "plan", tried)["error"] == errors[tried]
    assert states(instance, "plan", [tried]) == {tried: "FAILED"}


def test_a_run_that_died_says_so_on_the_partition_of_whom_it_synced(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.connect(environment.add_workspace("alpha", people=1))
    follow_connections(instance, {PROVIDER: ["alpha"]})
    assert run(instance, ["alpha"]).success
    _break(environment, "alpha")
    failed = run(instance, ["alpha"])
    environment.rows(
        "insert into integration_sync_logs (connection_id, workspace_id, direction, status, dagster_run_id) "
        f"select id, workspace_id, 'to_external', 'running', '{failed.run_id}' from integration_connections "
        "returning id"
    )

    assert tick("lost_runs", instance).skip_message.startswith("1 lost syncs closed")

    shown = page(instance, "plan", "alpha")
    assert shown["status"] == "failed"
    assert "ended (FAILURE) without closing this row" in str(shown["error"])


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("allison@example.org", "a…n@example.org"),
        ("bob@x.example.org", "b…b@x.example.org"),
        ("jo@example.org", "j…@example.org"),
        ("x@example.org", "x…@example.org"),
        ('"odd@local"@example.org', '"…"@example.org'),
    ],
)
def test_masked(email: str, expected: str) -> None:
    assert masked(email) == expected


def test_people_are_named_by_masked_e_mail_in_samples_and_errors(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    """Creates, updates and deletes, on either side; the errors of records that were refused."""
    workspace_id = environment.add_workspace("alpha", people=8)
    base_id, table_id = environment.connect(
        workspace_id, field_mapping={"email": "Email", "name": "Name", "phone": "Age"}
    )
    column = {"name": "Age", "type": "number", "options": {"precision": 0}}
    environment.sandbox.airtable.create_field(base_id, table_id, column)
    follow_connections(instance, {PROVIDER: ["alpha"]})
    run(instance, ["alpha"])
    records = {each["fields"]["Email"]: each["id"] for each in environment.sandbox.airtable.records(base_id, table_id)}
    _write(environment, workspace_id, "person1@alpha.org", name="Edited")
    _write(environment, workspace_id, "person2@alpha.org", phone="no number")
    environment.rows("update workspace_contacts set deleted_at = now() where email = 'person3@alpha.org' returning id")
    environment.sandbox.airtable.update_record(base_id, table_id, records["person4@alpha.org"], Name="Edited there")
    environment.sandbox.airtable.create_records(base_id, table_id, [{"Email": "ingrid@there.org", "Name": "Ingrid"}])

    run(instance, ["alpha"])

    sample = cast(Sequence[dg.TableRecord], page(instance, "plan", "alpha")["sample_changes"])
    named = {str(record.data["contact"]) for record in sample}
    assert named == {"p…1@alpha.org", "p…2@alpha.org", "p…3@alpha.org", "p…4@alpha.org", "i…d@there.org"}
    errors = str(page(instance, "to_external", "alpha")["errors"])
    assert "update of p…2@alpha.org: " in errors
    for name in ASSETS:
        text = str({k: v for k, v in page(instance, name, "alpha").items() if k != "sync_run_id"})
        assert not _ID.search(text), text
        assert "person" not in text


def _write(environment: Environment, workspace_id: UUID, email: str, **fields: str) -> None:
    with environment.wiring.database.workspace(workspace_id) as connection:
        (contact_id,) = contacts.contact_ids_by_email(connection, workspace_id, [email])
        contacts.update_contacts(connection, [ContactWrite(contact_id=contact_id, fields=fields)])
