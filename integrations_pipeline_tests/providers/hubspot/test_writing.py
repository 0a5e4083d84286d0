"""Writing to HubSpot: one outcome per contact, whatever the answer to a batch looks like."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from integrations_pipeline.errors import NeedsAttentionError, SharedCauseError
from integrations_pipeline.model import Change, ChangeKind, ChangeState, MappedField, Outcome
from integrations_pipeline.testing.conformance import contact, creates, delete, update
from integrations_pipeline_tests.providers.hubspot.bench import HubSpotBench
from integrations_sandbox import FaultRule

APPLIED, FAILED, SUPERSEDED = ChangeState.APPLIED, ChangeState.FAILED, ChangeState.SUPERSEDED


@pytest.fixture(params=[True, False], ids=["one by one", "as a whole"])
def either(bench: HubSpotBench, request: pytest.FixtureRequest) -> HubSpotBench:
    """An account that answers batches one by one, or as a whole."""
    bench.hubspot.set_options(multi_status=request.param)
    return bench


def written(bench: HubSpotBench, batch: Sequence[Change]) -> list[Outcome]:
    """What a new provider makes of a batch, which it has looked at right before."""
    provider = bench.provider()
    provider.prepare_write()
    provider.recheck([change.external_id for change in batch if change.external_id])
    outcomes = provider.write(batch)
    provider.close()
    assert [outcome.change.id for outcome in outcomes] == [change.id for change in batch]
    return outcomes


def states(outcomes: Sequence[Outcome]) -> list[ChangeState]:
    return [outcome.state for outcome in outcomes]


def writes(bench: HubSpotBench) -> list[str]:
    """The ends of the paths of all writing requests."""
    reads = ("/search", "/batch/read")
    found = [each.path for each in bench.hubspot.requests() if each.method != "GET"]
    return [path.rpartition("/")[2] for path in found if not path.endswith(reads)]


def test_every_contact_that_a_rule_refuses_fails_alone(either: HubSpotBench) -> None:
    either.hubspot.add_rule(either.portal_id, "company", "^Good")
    batch = [
        replace(change, after={**change.after, "company": f"{'Bad' if number % 3 else 'Good'} {number}"})
        for number, change in enumerate(creates(*range(60)))
    ]
    outcomes = written(either, batch)
    assert states(outcomes) == [FAILED if number % 3 else APPLIED for number in range(60)]
    assert {each.reason for each in outcomes} == {
        "",
        "property company does not take the value (VALIDATION_RULE_FAILED)",
    }
    assert len(either.hubspot.contacts(either.portal_id)) == 20
    either.hubspot.clear_rules(either.portal_id)


def test_answers_in_another_order_belong_to_those_whom_they_name(either: HubSpotBench) -> None:
    either.hubspot.add_fault(FaultRule(action="reorder", times=-1))
    outcomes = written(either, creates(1, 2, 3))
    held = [either.contact(each.external_id or "")["email"] for each in outcomes]
    assert held == [contact(number)["email"] for number in (1, 2, 3)]
    edits = [update(each.external_id or "", company=f"C{number}") for number, each in enumerate(outcomes)]
    assert states(written(either, edits)) == [APPLIED] * 3
    assert [either.contact(each.external_id or "")["company"] for each in outcomes] == ["C0", "C1", "C2"]


def test_a_create_that_the_answer_leaves_out_is_looked_up(either: HubSpotBench) -> None:
    either.hubspot.add_fault(FaultRule(action="leave_out", path_regex="create"))
    outcomes = written(either, creates(1, 2))
    assert states(outcomes) == [APPLIED, APPLIED]
    assert len({each.external_id for each in outcomes}) == 2


def test_an_update_that_the_answer_leaves_out_counts_as_not_done(either: HubSpotBench) -> None:
    one, other = either.people_make([contact(1), contact(2)])
    either.hubspot.add_fault(FaultRule(action="leave_out", path_regex="update", names=(one,)))
    outcomes = written(either, [update(one, company="X"), update(other, company="Y")])
    assert states(outcomes) == [FAILED, APPLIED]
    assert outcomes[0].error_class == "RetryableError"


@pytest.mark.parametrize("applies", [True, False])
def test_creates_whose_answer_was_lost_make_nobody_twice(either: HubSpotBench, applies: bool) -> None:
    action = "drop_after" if applies else "drop_before"
    either.hubspot.add_fault(FaultRule(action=action, path_regex="create"))  # type: ignore[arg-type]
    outcomes = written(either, creates(*range(5)))
    assert states(outcomes) == [APPLIED] * 5
    assert len(either.hubspot.contacts(either.portal_id)) == 5
    assert writes(either) == (["create"] if applies else ["create", "upsert"])


def test_an_address_that_somebody_has_by_then_is_never_written_over(either: HubSpotBench) -> None:
    (theirs,) = either.people_make([{**contact(2), "company": "Theirs"}])
    (same,) = either.people_make([contact(3)])
    outcomes = written(either, creates(1, 2, 3))
    assert states(outcomes) == [APPLIED, SUPERSEDED, APPLIED]
    assert [each.external_id for each in outcomes[1:]] == [theirs, same]
    assert either.contact(theirs)["company"] == "Theirs"


def test_an_address_that_another_contact_has_beside_its_own_is_refused_for_now(either: HubSpotBench) -> None:
    one, other = either.people_make([contact(8), contact(2)])
    either.hubspot.merge(either.portal_id, one, other)
    outcomes = written(either, creates(1, 2))
    assert states(outcomes) == [APPLIED, FAILED]
    assert outcomes[1].error_class == "RetryableError"
    assert outcomes[1].reason == "another contact at HubSpot has this e-mail, perhaps as an additional one"


def test_an_e_mail_that_is_taken_fails_alone_and_is_tried_again(either: HubSpotBench) -> None:
    one, two, _ = either.people_make([contact(1), contact(2), contact(3)])
    outcomes = written(either, [update(one, email=contact(3)["email"]), update(two, company="X")])
    assert states(outcomes) == [FAILED, APPLIED]
    assert outcomes[0].error_class == "RetryableError"


def test_e_mails_that_move_up_arrive_and_a_ring_is_refused(either: HubSpotBench) -> None:
    one, two, three, four, five = either.people_make([contact(number) for number in range(1, 6)])
    moved = [
        update(one, email=contact(2)["email"]),
        update(two, email=contact(3)["email"]),
        update(three, email="free@example.org"),
        update(four, email=contact(5)["email"]),
        update(five, email=contact(4)["email"]),
    ]
    assert states(written(either, moved)) == [APPLIED, APPLIED, APPLIED, FAILED, FAILED]
    held = [either.contact(key)["email"].partition("@")[0] for key in (one, two, three, four, five)]
    assert held == ["person2", "person3", "free", "person4", "person5"]


def test_a_contact_that_was_merged_during_the_run_is_planned_anew(either: HubSpotBench) -> None:
    one, other = either.people_make([contact(1), contact(2)])
    provider = either.provider()
    provider.prepare_write()
    provider.recheck([one])
    either.hubspot.merge(either.portal_id, other, one)
    (outcome,) = provider.write([update(one, company="X")])
    assert outcome.state is SUPERSEDED
    provider.close()


def test_a_delete_counts_as_done_only_if_the_answer_says_so(bench: HubSpotBench) -> None:
    one, other = bench.people_make([contact(1), contact(2)])
    bench.hubspot.archive(bench.portal_id, other)
    rule = FaultRule(action="status", status=200, body={}, path_regex="archive", times=-1)
    bench.hubspot.add_fault(rule)
    assert states(written(bench, [delete(one), delete(other)])) == [FAILED, APPLIED]
    bench.hubspot.clear_faults()
    assert states(written(bench, [delete(one), delete(other)])) == [APPLIED, APPLIED]


def test_a_lifecycle_stage_that_does_not_go_back_fails_with_what_to_do(bench: HubSpotBench) -> None:
    bench.mapping.append(MappedField(name="custom_fields.stage", column="lifecyclestage"))
    (key,) = bench.people_make([{**contact(1), "lifecyclestage": "customer"}])
    change = replace(
        update(key), before={"custom_fields.stage": "customer"}, after={"custom_fields.stage": "lead", "company": "X"}
    )
    (outcome,) = written(bench, [change])
    assert outcome.reason == "property lifecyclestage does not go back: clear it at HubSpot first"
    assert bench.contact(key)["lifecyclestage"] == "customer"


def test_names_stay_split_as_they_are_there(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    bench.hubspot.edit(bench.portal_id, key, {"firstname": "Mary Jane", "lastname": "Watson"})
    written(bench, [update(key, name="Mary Jane Parker")])
    assert (bench.contact(key)["firstname"], bench.contact(key)["lastname"]) == ("Mary Jane", "Parker")


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        ("number", " 12.50 ", "12.50"),
        ("number", "many", ""),
        ("date", "2026-01-31", "2026-01-31"),
        ("date", "31 January", ""),
        ("datetime", "2026-01-31T10:00:00+01:00", "2026-01-31T09:00:00Z"),
        ("datetime", "soon", ""),
        ("bool", "Yes", "true"),
        ("bool", "perhaps", ""),
        ("enumeration", "GOLD", "gold"),
        ("enumeration", "copper", ""),
        ("string", "any text", "any text"),
    ],
)
def test_a_value_is_written_as_its_property_takes_it_or_its_contact_fails_alone(
    bench: HubSpotBench, kind: str, text: str, kept: str
) -> None:
    bench.hubspot.create_property(bench.portal_id, "extra", type=kind, field_type="select", options=["Gold", "Tin"])
    bench.mapping.append(MappedField(name="custom_fields.extra", column="extra"))
    one, other = bench.people_make([contact(1), contact(2)])
    edit = replace(update(one), after={"custom_fields.extra": text})
    outcomes = written(bench, [edit, update(other, company="X")])
    assert states(outcomes) == [APPLIED if kept else FAILED, APPLIED]
    assert bench.contact(one).get("extra", "") == kept
    assert kept or "property extra" in outcomes[0].reason


def test_tags_are_options_of_a_property_with_checkboxes_or_a_text(bench: HubSpotBench) -> None:
    bench.hubspot.create_property(
        bench.portal_id, "labels", type="enumeration", field_type="checkbox", options=["Press", "Radio"]
    )
    bench.mapping.append(MappedField(name="tags", column="labels"))
    (key,) = bench.people_make([contact(1)])
    assert states(written(bench, [update(key, tags="Radio\x1fpress")])) == [APPLIED]
    assert bench.contact(key)["labels"] == "radio;press"
    (outcome,) = written(bench, [update(key, tags="press\x1fnew")])
    assert outcome.reason == "property labels does not have this option"


def test_an_opt_out_goes_down_first_and_nothing_else_of_consent_is_ever_sent(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    out = replace(creates(2)[0], after={**contact(2), "email_opt_out": "true"})
    back = [update(key, email_opt_out=word) for word in ("", "unasked", "in@2026-01-01T00:00:00+00:00")]
    assert states(written(bench, [out])) == [APPLIED]
    assert writes(bench) == ["unsubscribe-all", "create"]
    for change in (update(key, email_opt_out="true"), *back):
        assert states(written(bench, [change])) == [APPLIED]
    assert writes(bench) == ["unsubscribe-all", "create", "unsubscribe-all"]
    assert bench.hubspot.portal(bench.portal_id).opted_out == {contact(1)["email"], contact(2)["email"]}


def test_somebody_who_is_out_and_gets_another_e_mail_is_out_there_too(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    bench.hubspot.opt_out(bench.portal_id, contact(1)["email"])
    written(bench, [update(key, email="moved@example.org")])
    assert "moved@example.org" in bench.hubspot.portal(bench.portal_id).opted_out
    assert writes(bench) == ["unsubscribe-all", "update"]


def test_an_opt_out_that_is_refused_fails_that_contact_alone_and_makes_nobody(bench: HubSpotBench) -> None:
    bench.token = bench.hubspot.create_token(
        bench.portal_id,
        scopes=["crm.objects.contacts.read", "crm.objects.contacts.write", "crm.schemas.contacts.read"],
    )
    out = replace(creates(2)[0], after={**contact(2), "email_opt_out": "true"})
    outcomes = written(bench, [creates(1)[0], out])
    assert states(outcomes) == [APPLIED, FAILED]
    assert outcomes[1].reason == "the token lacks a scope at HubSpot: give it subscriptions-status-write"
    assert len(bench.hubspot.contacts(bench.portal_id)) == 1


def test_a_day_that_is_used_up_ends_the_run_and_a_second_is_waited_for(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    bench.hubspot.add_fault(FaultRule(action="rate_limit", path_regex="update", times=2))
    assert states(written(bench, [update(key, company="X")])) == [APPLIED]
    assert bench.waits == [10.0, 10.0]
    bench.hubspot.add_fault(FaultRule(action="billing_limit"))
    provider = bench.provider()
    with pytest.raises(SharedCauseError, match="daily limit of the account is used up"):
        provider.prepare_write()
    provider.close()


@pytest.mark.parametrize("kind", list(ChangeKind)[:3])
def test_a_token_that_may_not_write_ends_the_run_with_the_name_of_the_scope(
    bench: HubSpotBench, kind: ChangeKind
) -> None:
    (key,) = bench.people_make([contact(1)])
    bench.token = bench.hubspot.create_token(
        bench.portal_id, scopes=["crm.objects.contacts.read", "crm.schemas.contacts.read"]
    )
    made = {
        ChangeKind.CREATE: creates(2)[0],
        ChangeKind.UPDATE: update(key, company="X"),
        ChangeKind.DELETE: delete(key),
    }
    with pytest.raises(NeedsAttentionError, match=r"give it crm\.objects\.contacts\.write"):
        written(bench, [made[kind]])
