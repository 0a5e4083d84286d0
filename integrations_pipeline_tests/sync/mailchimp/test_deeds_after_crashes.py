"""A run with an audience dies anywhere, and somebody acts before the next one comes: as if the run had not died."""

from collections import Counter
from collections.abc import Sequence

import pytest

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.crashes import Deed, Stage, State, key_of, nothing, wrong_points
from integrations_pipeline_tests.sync.mailchimp.arrangement import Subscribers
from integrations_pipeline_tests.sync.mailchimp.everything import everything
from integrations_pipeline_tests.sync.mailchimp.test_crashes import stage, telling

__all__ = ["stage"]

#: Whom the run creates at Mailchimp, whom it moves to a new member, and two whom it does not give other e-mails.
NEW, MOVED = str(person(10)["email"]), "moved8@example.org"
ONE, OTHER = (str(person(number)["email"]) for number in (0, 1))


def another_e_mail_here(tenant: Subscribers) -> None:
    tenant.edit_local(key_of(tenant.local(), NEW), email="new@example.org", phone="+10")


def another_e_mail_for_the_moved(tenant: Subscribers) -> None:
    tenant.edit_local(key_of(tenant.local(), MOVED), email="again8@example.org", phone="+88")


def moved_one_deleted_here(tenant: Subscribers) -> None:
    tenant.delete_local(key_of(tenant.local(), MOVED))


def deleted_here(tenant: Subscribers) -> None:
    tenant.delete_local(key_of(tenant.local(), NEW))


def swapped_there(tenant: Subscribers) -> None:
    one, other = key_of(tenant.remote(), ONE), key_of(tenant.remote(), OTHER)
    tenant.edit_remote(one, email="between@example.org")
    tenant.edit_remote(other, email=ONE)
    tenant.edit_remote(one, email=OTHER)


DEEDS = (another_e_mail_here, another_e_mail_for_the_moved, moved_one_deleted_here, deleted_here, swapped_there)


def people(state: State) -> State:
    """Both sides, and who is mailed: members that were made and archived on the way tell nothing."""
    local, remote, statuses = state
    return local, remote, Counter({told: count for told, count in statuses.items() if not told.endswith("archived")})


def wrong_ends(stage: Stage, deed: Deed, numbers: Sequence[int] | None = None) -> list[str]:
    """Kill at every point in turn, or at these, and do the deed; the points after which the end is not right."""
    points, end = stage.undisturbed(everything, deed)
    assert end != stage.undisturbed(everything)[1], "the deed leaves no trace"
    wanted = numbers if numbers is not None else range(len(points))
    gather("deeds after crashes at Mailchimp", Counter({deed.__name__: len(wanted)}))
    return wrong_points(
        points, wanted, lambda number: people(stage.crashed(everything, number, deed=deed)) == people(end)
    )


@pytest.mark.parametrize("deed", DEEDS, ids=lambda each: each.__name__)
def test_what_is_done_after_a_run_died_in_a_write_is_neither_lost_nor_doubled(stage: Stage, deed: Deed) -> None:
    points, _ = stage.undisturbed(everything, nothing)
    assert not wrong_ends(stage, deed, telling(points, "answer POST", "answer PUT"))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda each: each.__name__)
def test_what_is_done_after_a_run_died_anywhere_is_neither_lost_nor_doubled(stage: Stage, deed: Deed) -> None:
    assert not wrong_ends(stage, deed)
