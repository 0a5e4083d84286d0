"""How many people may be made, and values emptied, in 24 hours, before somebody is asked."""

import pytest

from integrations_pipeline.providers.settings import ConnectionSettings
from integrations_pipeline.sync.contacts.limits import changes_allowed, creates_allowed


@pytest.mark.parametrize(("linked", "allowed"), [(0, None), (1, 25), (25, 25), (26, 26), (1_000, 1_000)])
def test_in_a_small_book_twenty_five_new_people_a_day_are_ordinary(linked: int, allowed: int | None) -> None:
    assert creates_allowed(ConnectionSettings(), linked) == allowed


def test_a_share_of_new_people_that_was_set_is_kept_to_in_a_small_book_too() -> None:
    assert creates_allowed(ConnectionSettings(create_limit_fraction=0.5), 10) == 5


@pytest.mark.parametrize(("linked", "allowed"), [(0, 10), (50, 10), (55, 11), (125, 25), (1_000, 25)])
def test_in_a_small_book_ten_emptied_values_a_day_are_ordinary_and_never_more_than_the_limit(
    linked: int, allowed: int
) -> None:
    assert changes_allowed(ConnectionSettings(), linked) == allowed


def test_a_share_of_emptied_values_that_was_set_is_kept_to_in_a_small_book_too() -> None:
    assert changes_allowed(ConnectionSettings(change_limit_fraction=0.1), 20) == 2


@pytest.mark.parametrize(("share", "allowed"), [(1.0, 10), (0.01, 10), (0.0, 0)])
def test_of_nobody_linked_there_is_no_share_so_an_ordinary_day_is_allowed(share: float, allowed: int) -> None:
    assert changes_allowed(ConnectionSettings(change_limit_fraction=share), 0) == allowed


def test_a_limit_that_was_set_holds_before_anybody_is_linked_too() -> None:
    assert changes_allowed(ConnectionSettings(change_limit=3, change_limit_fraction=1.0), 0) == 3
