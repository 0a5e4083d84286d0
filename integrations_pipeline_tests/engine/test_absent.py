"""What a side does not tell, whom nobody may touch yet, and whose address takes no mail."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from integrations_pipeline.engine.plan import NO_IDENTITY, plan_sync
from integrations_pipeline.model import CONSENT_OUT, CONSENT_UNASKED, FieldRule, Plan
from integrations_pipeline_tests.builders import (
    EMAIL,
    NAME,
    OPT_OUT,
    RULES,
    Link,
    Row,
    View,
    base_frame,
    local_snapshot,
    permissive,
    remote_snapshot,
    summary,
    whole,
    world_of,
)

ANN = {"email": "ann@example.org", "name": "Ann", "company": "Acme"}


def untold(snapshot: View, *cells: tuple[str, str]) -> View:
    """The same, without these (id, field) cells."""
    for key, name in cells:
        snapshot.frame.loc[key, name] = None
    return snapshot


def plan(
    local: Mapping[str, Row],
    remote: View,
    links: Mapping[str, Row],
    rules: tuple[FieldRule, ...] = RULES,
    **more: Any,
) -> Plan:
    """`links`: contact id c… → what was agreed with record x…."""
    base = {key: Link(external_id=key.replace("c", "x"), agreed=whole(row)) for key, row in links.items()}
    names = tuple(rule.name for rule in rules)
    versions = {key: 2 for key in local}
    return plan_sync(
        world_of(
            local=local_snapshot(local, names=names, versions=versions),
            remote=remote,
            base=base_frame(base, names),
            rules=rules,
            policy=permissive(),
            **more,
        )
    )


def test_a_field_that_a_record_does_not_tell_changes_nothing() -> None:
    remote = untold(remote_snapshot({"x1": {**ANN, "name": "Anna"}}), ("x1", "company"))
    found = plan({"c1": ANN}, remote, {"c1": ANN})
    assert [change.after for change in found.changes] == [{"name": "Anna"}]
    assert not plan({"c1": ANN}, untold(remote_snapshot({"x1": ANN}), ("x1", "company")), {"c1": ANN}).changes


def test_an_edit_of_a_field_that_is_not_told_keeps_its_contact_unsettled() -> None:
    remote = untold(remote_snapshot({"x1": ANN}), ("x1", "company"))
    found = plan({"c1": {**ANN, "company": "New", "name": "Anna"}}, remote, {"c1": ANN})
    (change,) = found.changes
    assert (change.after, change.is_settling) == ({"name": "Anna"}, False)
    only = plan({"c1": {**ANN, "company": "New"}}, untold(remote_snapshot({"x1": ANN}), ("x1", "company")), {"c1": ANN})
    assert not only.changes
    assert not only.agreements, "the version is not agreed: the edit still has to go out"


def test_an_edit_that_never_goes_out_waits_for_nothing() -> None:
    inward = tuple(replace(rule, to_remote=False) if rule.name == "company" else rule for rule in RULES)
    remote = untold(remote_snapshot({"x1": ANN}), ("x1", "company"))
    found = plan({"c1": {**ANN, "company": "New"}}, remote, {"c1": ANN}, inward)
    assert [entry.version for entry in found.agreements] == [2]


def test_a_new_record_is_made_here_of_what_it_tells() -> None:
    remote = untold(remote_snapshot({"x1": ANN}), ("x1", "company"))
    (change,) = plan({}, remote, {}).changes
    assert change.after == {"email": "ann@example.org", "name": "Ann"}
    assert "company" not in change.agreed


def test_an_email_that_is_not_told_is_the_one_that_was_agreed() -> None:
    remote = untold(remote_snapshot({"x1": ANN}), ("x1", "email"))
    (change,) = plan({"c1": {**ANN, "name": "Anna"}}, remote, {"c1": ANN}).changes
    assert change.address == "ann@example.org"


@pytest.mark.parametrize("who", ["c1", "x1"])
def test_whoever_is_being_edited_is_matched_and_left_alone(who: str) -> None:
    waiting = frozenset({who})
    linked = plan({"c1": {**ANN, "name": "Anna"}}, remote_snapshot({"x1": ANN}), {"c1": ANN}, waiting=waiting)
    assert (linked.changes, summary(linked.waiting)[0][2:]) == ((), ("c1", "x1"))
    matched = plan({"c1": ANN}, remote_snapshot({"x1": ANN}), {}, waiting=waiting)
    assert (matched.changes, len(matched.waiting)) == ((), 1)
    apart = plan({"c1": ANN}, remote_snapshot({"x1": {"email": "bo@example.org"}}), {}, waiting=waiting)
    assert [change.side.value for change in apart.changes] == ["local" if who == "c1" else "remote"]
    gone = plan(
        {"c1": {**ANN, "name": "Anna"}}, remote_snapshot({"x0": {"email": "o@x.org"}}), {"c1": ANN}, waiting=waiting
    )
    assert "c1" not in {change.contact_id for change in (*gone.changes, *gone.held)}


def test_while_the_email_is_silent_nobody_new_is_made_and_linked_people_go_on() -> None:
    rules = tuple(rule for rule in RULES if rule is not EMAIL)
    names = tuple(rule.name for rule in rules)
    remote = remote_snapshot({"x1": {"name": "Anna"}, "x2": {"name": "New there"}}, names=names)
    local = {"c1": {"name": "Ann"}, "c3": {"name": "New here"}, "c4": {"name": "Edited"}}
    base = {"c1": Link(external_id="x1", agreed={"name": "Ann"}), "c4": Link(external_id="x4", agreed={"name": "Old"})}
    found = plan_sync(
        world_of(
            local=local_snapshot(local, names=names),
            remote=remote,
            base=base_frame(base, names),
            rules=rules,
            policy=permissive(),
            is_identity_silent=True,
        )
    )
    assert summary(found.changes) == [("local", "update", "c1", "x1")]
    assert {change.reason for change in found.skipped} == {NO_IDENTITY}
    assert len(found.skipped) == 3, "two that are new, and one that would be made again"


@pytest.mark.parametrize(
    ("opted_out", "is_bounced", "told"),
    [("", True, CONSENT_UNASKED), (CONSENT_OUT, True, CONSENT_OUT), ("", False, None)],
)
def test_whose_address_takes_no_mail_is_signed_up_for_none(opted_out: str, is_bounced: bool, told: str | None) -> None:
    local = {"c1": {**ANN, "email_opt_out": opted_out}}
    bounced = frozenset({"c1"} if is_bounced else ())
    (change,) = plan(local, remote_snapshot({}), {}, bounced=bounced).changes
    assert change.after.get("email_opt_out") == told
    assert change.agreed["email_opt_out"] == opted_out


def test_a_rule_of_no_field_that_either_side_has_is_no_edit() -> None:
    rules = (EMAIL, NAME, OPT_OUT, FieldRule(name="nowhere"))
    names = ("email", "name", "email_opt_out")
    found = plan_sync(
        world_of(
            local=local_snapshot({"c1": ANN}, names=names),
            remote=remote_snapshot({"x1": ANN}, names=names),
            base=base_frame({"c1": Link(external_id="x1", agreed=ANN)}, names),
            rules=rules,
            policy=permissive(),
        )
    )
    assert found.is_empty
