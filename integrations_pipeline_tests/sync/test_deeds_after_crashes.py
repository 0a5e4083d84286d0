"""A run dies anywhere, and somebody acts before the next one comes: as if the run had not died.

Belongs here: what is done after a death, and the points of the run at which it dies. Does not: deaths alone
(`test_crashes`).
"""

from collections import Counter
from collections.abc import Mapping

import pytest

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.arrangement import Tenant, person
from integrations_pipeline_tests.sync.crashes import Deed, Scenario, Stage, State, key_of, nothing, wrong_points
from integrations_pipeline_tests.sync.test_crashes import chosen, stage, with_key, without_key

__all__ = ["stage"]

#: Whom the run that dies creates at the provider, and two who were linked long ago.
NEW, ONE, OTHER = (str(person(number)["email"]) for number in (10, 0, 1))


def another_e_mail_here(tenant: Tenant) -> None:
    tenant.edit_local(key_of(tenant.local(), NEW), email="new@example.org", phone="+10")


def deleted_here(tenant: Tenant) -> None:
    tenant.delete_local(key_of(tenant.local(), NEW))


def deleted_there(tenant: Tenant) -> None:
    if record_id := key_of(tenant.remote(), NEW):
        tenant.delete_remote(record_id)


def swapped_here(tenant: Tenant) -> None:
    one, other = key_of(tenant.local(), ONE), key_of(tenant.local(), OTHER)
    tenant.edit_local(one, email="")
    tenant.edit_local(other, email=ONE)
    tenant.edit_local(one, email=OTHER)


def swapped_there(tenant: Tenant) -> None:
    one, other = key_of(tenant.remote(), ONE), key_of(tenant.remote(), OTHER)
    tenant.edit_remote(one, email=OTHER)
    tenant.edit_remote(other, email=ONE)


def merged_there(tenant: Tenant) -> None:
    """The loser of a merge is deleted, and the survivor takes another e-mail at once."""
    if record_id := key_of(tenant.remote(), NEW):
        tenant.delete_remote(record_id)
        tenant.edit_remote(key_of(tenant.remote(), ONE), email="merged@example.org")


DEEDS = (another_e_mail_here, deleted_here, deleted_there, swapped_here, swapped_there, merged_there)


def right_ends(stage: Stage, scenario: Scenario, deed: Deed) -> tuple[list[str], list[State]]:
    """The points of the run, and the ends that are right. Of a create whose answer nobody heard, a record that is
    deleted there looks like one that was never made: it may be made again."""
    points, end = stage.undisturbed(scenario, deed)
    ends = [end]
    if deed is deleted_there:
        ends.append(stage.undisturbed(scenario)[1])
    if deed is merged_there:
        ends += [stage.undisturbed(scenario)[1], stage.undisturbed(scenario, only_merged)[1]]
    return points, ends


def only_merged(tenant: Tenant) -> None:
    tenant.edit_remote(key_of(tenant.remote(), ONE), email="merged@example.org")


def wrong_ends(stage: Stage, scenario: Scenario, deed: Deed, numbers: Mapping[str, int] | None = None) -> list[str]:
    """Kill at every point in turn, or at these, and do the deed; the points after which the end is not right."""
    points, ends = right_ends(stage, scenario, deed)
    assert ends[0] != stage.undisturbed(scenario)[1], "the deed leaves no trace"
    wanted = sorted(numbers.values()) if numbers is not None else range(len(points))
    gather(f"deeds after crashes, {scenario.__name__}", Counter({deed.__name__: len(wanted)}))
    return wrong_points(points, wanted, lambda number: stage.crashed(scenario, number, deed=deed) in ends)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda each: each.__name__)
def test_what_is_done_after_a_run_died_at_a_telling_point_is_neither_lost_nor_doubled(stage: Stage, deed: Deed) -> None:
    points, _ = stage.undisturbed(with_key, nothing)
    numbers = {name: chosen(points)[name] for name in ("first write sent", "first write answered")}
    assert not wrong_ends(stage, with_key, deed, numbers)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("scenario", [with_key, without_key], ids=lambda each: each.__name__)
def test_what_is_done_after_a_run_died_anywhere_is_neither_lost_nor_doubled(
    stage: Stage, scenario: Scenario, deed: Deed
) -> None:
    assert not wrong_ends(stage, scenario, deed)
