"""People who are to be gone on one side alone: the delete, what keeps them, and what is left once they went."""

import pytest

from integrations_pipeline.engine.pairs import EDITED_SINCE, Pair, delete_one_sided
from integrations_pipeline.model import Change, ChangeKind, Side
from integrations_pipeline_tests.builders import EMAIL, NAME, Books, one_way, permissive

ROW = {"name": "Ann", "email": "a@example.org"}


def pair(**more: object) -> Pair:
    told = {"base": ROW, "local": ROW, "remote": {**ROW, "email": "A@example.org"}, **more}
    return Pair(contact_id="c1", external_id="x1", version=7, address="A@example.org", **told)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", list(Side))
def test_it_is_the_side_as_it_was_seen_under_its_version(side: Side) -> None:
    change = delete_one_sided(pair(), side, (NAME, EMAIL))
    assert change == Change(
        id=change.id,
        side=side,
        kind=ChangeKind.DELETE,
        contact_id="c1",
        external_id="x1",
        before=ROW if side is Side.LOCAL else {**ROW, "email": "A@example.org"},
        base=ROW,
        expected_version=7,
        address="A@example.org",
    )


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("where", ["local", "remote"])
def test_an_edit_on_either_side_keeps_them(side: Side, where: str) -> None:
    change = delete_one_sided(pair(**{where: {**ROW, "name": "Anna"}}), side, (NAME, EMAIL))
    assert change.reason == EDITED_SINCE


@pytest.mark.parametrize(
    ("where", "to", "is_kept"),
    [
        ("local", Side.REMOTE, True),
        ("local", Side.LOCAL, False),
        ("remote", Side.LOCAL, True),
        ("remote", Side.REMOTE, False),
    ],
)
def test_an_edit_that_no_sync_would_take_keeps_nobody(where: str, to: Side, is_kept: bool) -> None:
    rules = (one_way(NAME, to), EMAIL)
    change = delete_one_sided(pair(**{where: {**ROW, "name": "Anna"}}), Side.LOCAL, rules)
    assert bool(change.reason) is is_kept


@pytest.mark.parametrize("side", list(Side))
def test_who_went_there_by_themselves_is_unlinked_and_stays_on_the_other_side(side: Side) -> None:
    books = Books()
    for number in (1, 2):
        books.link(f"c{number}", f"x{number}", {"name": f"P{number}", "email": f"p{number}@example.org"})
    books.remove(side, "c1" if side is Side.LOCAL else "x1")
    plan = books.plan(permissive(one_sided={"c1": side}))
    (change,) = plan.changes
    assert (change.kind, change.contact_id, change.external_id) == (ChangeKind.UNLINK, "c1", "x1")
    assert change.reason == "is gone on the side that was meant"
    assert change.base["name"] == "P1"
