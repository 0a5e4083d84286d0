"""Pairing records that are not linked yet."""

from collections.abc import Mapping

import pytest

from integrations_pipeline.engine.match import (
    HELD_LOCAL,
    HELD_REMOTE,
    MANY_LOCAL,
    MANY_REMOTE,
    SAME_KEY,
    Unlinked,
    match_unlinked,
)

NONE: Mapping[str, str] = {}


@pytest.mark.parametrize(
    ("local", "remote", "pairs", "local_aside", "remote_aside"),
    [
        pytest.param({"c1": "a"}, {"x1": "a"}, (("c1", "x1"),), NONE, NONE, id="one on each side"),
        pytest.param({"c1": "a"}, {"x1": "b"}, (), NONE, NONE, id="different e-mails"),
        pytest.param({"c1": ""}, {"x1": ""}, (), NONE, NONE, id="without e-mail never"),
        pytest.param({}, {}, (), NONE, NONE, id="nobody"),
        pytest.param(
            {"c1": "a", "c2": "a"},
            {"x1": "a"},
            (),
            {"c1": MANY_LOCAL, "c2": MANY_LOCAL},
            {"x1": MANY_LOCAL},
            id="twice in the workspace",
        ),
        pytest.param(
            {"c1": "a"},
            {"x1": "a", "x2": "a"},
            (),
            {"c1": MANY_REMOTE},
            {"x1": MANY_REMOTE, "x2": MANY_REMOTE},
            id="twice at the provider",
        ),
        pytest.param(
            {"c1": "a", "c2": "a"},
            {"x1": "a", "x2": "a"},
            (),
            {"c1": MANY_LOCAL, "c2": MANY_LOCAL},
            {"x1": MANY_REMOTE, "x2": MANY_REMOTE},
            id="twice on both",
        ),
        pytest.param(
            {"c1": "a", "c2": "b"},
            {"x1": "a", "x2": "a", "x3": "b"},
            (("c2", "x3"),),
            {"c1": MANY_REMOTE},
            {"x1": MANY_REMOTE, "x2": MANY_REMOTE},
            id="the others still match",
        ),
    ],
)
def test_a_shared_identity_key_pairs_only_where_it_is_unique(
    local: dict[str, str],
    remote: dict[str, str],
    pairs: tuple[tuple[str, str], ...],
    local_aside: dict[str, str],
    remote_aside: dict[str, str],
) -> None:
    found = match_unlinked(Unlinked(keys=local), Unlinked(keys=remote))
    assert found.pairs == pairs
    assert found.local_aside == local_aside
    assert found.remote_aside == remote_aside


@pytest.mark.parametrize(
    ("local", "remote", "local_aside", "remote_aside"),
    [
        pytest.param(
            Unlinked(keys={"c1": "a"}),
            Unlinked(keys={}, linked_keys=frozenset("a")),
            {"c1": HELD_REMOTE},
            {},
            id="by a linked record at the provider",
        ),
        pytest.param(
            Unlinked(keys={}, linked_keys=frozenset("a")),
            Unlinked(keys={"x1": "a"}),
            {},
            {"x1": HELD_LOCAL},
            id="by a linked contact",
        ),
        pytest.param(
            Unlinked(keys={"c1": "a"}, linked_keys=frozenset("a")),
            Unlinked(keys={"x1": "a"}),
            {"c1": MANY_LOCAL},
            {"x1": HELD_LOCAL},
            id="by a linked contact, although there is a counterpart",
        ),
        pytest.param(
            Unlinked(keys={"c1": "a"}),
            Unlinked(keys={"x1": "a"}, linked_keys=frozenset("a")),
            {"c1": HELD_REMOTE},
            {"x1": MANY_REMOTE},
            id="by a linked record, although there is a counterpart",
        ),
    ],
)
def test_a_key_that_a_linked_record_holds_sets_the_others_aside(
    local: Unlinked, remote: Unlinked, local_aside: dict[str, str], remote_aside: dict[str, str]
) -> None:
    found = match_unlinked(local, remote)
    assert found.pairs == ()
    assert found.local_aside == local_aside
    assert found.remote_aside == remote_aside


def test_the_contact_key_goes_before_the_identity_key() -> None:
    found = match_unlinked(
        Unlinked(keys={"c1": "a", "c2": "b"}),
        Unlinked(keys={"x1": "b", "x2": ""}, contact_keys={"x1": "c2", "x2": "c1"}),
    )
    assert found.pairs == (("c1", "x2"), ("c2", "x1"))
    assert not found.local_aside
    assert not found.remote_aside


def test_a_contact_key_of_nobody_who_waits_for_a_match_is_ignored() -> None:
    found = match_unlinked(
        Unlinked(keys={"c1": "a"}), Unlinked(keys={"x1": "a", "x2": "b"}, contact_keys={"x1": "gone", "x2": "gone"})
    )
    assert found.pairs == (("c1", "x1"),)


def test_records_that_carry_one_contact_id_are_all_set_aside() -> None:
    found = match_unlinked(
        Unlinked(keys={"c1": "a", "c2": "b"}),
        Unlinked(keys={"x1": "a", "x2": "a", "x3": "b"}, contact_keys={"x1": "c1", "x2": "c1"}),
    )
    assert found.pairs == (("c2", "x3"),)
    assert found.local_aside == {"c1": SAME_KEY}
    assert found.remote_aside == {"x1": SAME_KEY, "x2": SAME_KEY}


@pytest.mark.parametrize("keys", [{"x1": "a", "x2": "z"}, {"x1": "", "x2": ""}], ids=["one e-mail", "none"])
def test_a_contact_whose_id_several_records_carry_is_set_aside_too(keys: dict[str, str]) -> None:
    found = match_unlinked(
        Unlinked(keys={"c1": keys["x1"]}), Unlinked(keys=keys, contact_keys={"x1": "c1", "x2": "c1"})
    )
    assert found.local_aside == {"c1": SAME_KEY}


def test_an_e_mail_that_a_record_paired_by_contact_id_holds_sets_another_contact_aside() -> None:
    found = match_unlinked(
        Unlinked(keys={"c1": "old", "c2": "a"}), Unlinked(keys={"x1": "a"}, contact_keys={"x1": "c1"})
    )
    assert found.pairs == (("c1", "x1"),)
    assert "c2" in found.local_aside
