"""A person who sorts, inserts or deletes rows between our look at the sheet and our write loses nothing."""

import random
from collections.abc import Callable, Iterator

import pytest

from bench import HEADER, KEY, SheetBench
from google_sheets_sandbox import Formula, SheetsSandbox
from integrations_google_sheets.provider import SheetsProvider
from integrations_pipeline.model import Change, ChangeKind, ChangeState, Side

PEOPLE = {"c@x.org": "Cobalt", "a@x.org": "Amber", "d@x.org": "Denim", "b@x.org": "Beige"}


def changed(kind: ChangeKind, key: str, **after: str) -> Change:
    return Change(side=Side.REMOTE, kind=kind, contact_id="c", external_id=key, after=after)


@pytest.fixture
def keys(bench: SheetBench) -> dict[str, str]:
    """Four people whose rows have keys and notes, by e-mail."""
    for email, company in PEOPLE.items():
        bench.sheet.rows.append([email, f"note of {email}", "", company])
    provider = bench.provider()
    list(provider.read_all())
    provider.close()
    return {str(row[0]): str(row[KEY]) for row in bench.sheet.rows[1:]}


@pytest.fixture
def provider(bench: SheetBench, keys: dict[str, str]) -> Iterator[SheetsProvider]:
    provider = bench.provider()
    list(provider.read_all())
    provider.prepare_write()
    yield provider
    provider.close()


def sort(bench: SheetBench) -> None:
    bench.sheet.sort(0)


def sort_back(bench: SheetBench) -> None:
    bench.sheet.sort(0, descending=True)


def insert_above(bench: SheetBench) -> None:
    bench.sheet.insert(1, [])


def insert_a_person(bench: SheetBench) -> None:
    bench.sheet.insert(1, ["new@x.org", "just typed"])


MOVES = (sort, sort_back, insert_above, insert_a_person)


def notes(bench: SheetBench) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in bench.sheet.rows[1:] if row and str(row[0]) in PEOPLE}


@pytest.mark.parametrize("move", MOVES)
def test_an_update_finds_its_row_and_leaves_the_others_as_they_were(
    sandbox: SheetsSandbox, bench: SheetBench, keys: dict[str, str], provider: SheetsProvider, move: Callable[..., None]
) -> None:
    sandbox.just_before_the_next_write(lambda: move(bench))
    batch = [changed(ChangeKind.UPDATE, keys[who], company="New") for who in ("c@x.org", "d@x.org")]
    outcomes = provider.write(batch)
    assert [outcome.state for outcome in outcomes] == [ChangeState.APPLIED] * 2
    expected = {**PEOPLE, "c@x.org": "New", "d@x.org": "New"}
    assert {who: company for who, company in bench.shown().items() if who in PEOPLE} == expected
    assert bench.shown().get("new@x.org", "") == ""


@pytest.mark.parametrize("move", MOVES[:3])
def test_a_delete_takes_its_row_and_no_other(
    sandbox: SheetsSandbox, bench: SheetBench, keys: dict[str, str], provider: SheetsProvider, move: Callable[..., None]
) -> None:
    sandbox.just_before_the_next_write(lambda: move(bench))
    outcomes = provider.write(
        [changed(ChangeKind.DELETE, keys["c@x.org"]), changed(ChangeKind.DELETE, keys["d@x.org"])]
    )
    assert [outcome.state for outcome in outcomes] == [ChangeState.APPLIED] * 2
    left = {"a@x.org": "Amber", "b@x.org": "Beige"}
    assert {who: company for who, company in bench.shown().items() if who in PEOPLE} == left
    assert notes(bench) == {who: f"note of {who}" for who in left}
    assert {row[KEY] for row in bench.sheet.rows[1:] if row and row[0] in left} == {keys[who] for who in left}


@pytest.mark.parametrize("move", MOVES)
def test_a_key_for_a_new_row_costs_nobody_theirs(
    sandbox: SheetsSandbox, bench: SheetBench, keys: dict[str, str], move: Callable[..., None]
) -> None:
    bench.sheet.insert(2, ["0@x.org", "typed by hand", "", "Zinc"])
    sandbox.just_before_the_next_write(lambda: move(bench))
    reader = bench.provider()
    list(reader.read_all())
    reader.close()
    found = {str(row[0]): row[KEY] for row in bench.sheet.rows[1:] if row}
    assert {who: found[who] for who in keys} == keys
    assert len(set(found.values())) == len(found)
    assert all(found.values())


def test_a_person_who_deletes_the_row_itself_is_believed(
    sandbox: SheetsSandbox, bench: SheetBench, keys: dict[str, str], provider: SheetsProvider
) -> None:
    sandbox.just_before_the_next_write(lambda: bench.people_delete(keys["c@x.org"]))
    (outcome,) = provider.write([changed(ChangeKind.UPDATE, keys["c@x.org"], company="New")])
    assert outcome.state is ChangeState.SUPERSEDED
    assert bench.shown() == {who: company for who, company in PEOPLE.items() if who != "c@x.org"}


def test_a_formula_that_was_struck_is_a_formula_again(
    sandbox: SheetsSandbox, bench: SheetBench, keys: dict[str, str], provider: SheetsProvider
) -> None:
    bench.sheet.rows[bench.row(keys["a@x.org"])][3] = Formula('=UPPER("amber")')
    sandbox.just_before_the_next_write(lambda: bench.sheet.sort(0))
    provider.write([changed(ChangeKind.UPDATE, keys["c@x.org"], company="New")])
    cell = bench.sheet.rows[bench.row(keys["a@x.org"])][3]
    assert isinstance(cell, Formula)
    assert cell.text == '=UPPER("amber")'


def test_columns_that_move_are_followed(bench: SheetBench, keys: dict[str, str], provider: SheetsProvider) -> None:
    for row in bench.sheet.rows:
        row.insert(0, "")
    (outcome,) = provider.write([changed(ChangeKind.UPDATE, keys["c@x.org"], company="New")])
    assert outcome.state is ChangeState.APPLIED
    assert [row[4] for row in bench.sheet.rows[1:]] == ["New", "Amber", "Denim", "Beige"]


def restless(bench: SheetBench, dice: random.Random) -> Callable[[], None]:
    """Somebody who does one thing at a bad moment, and never touches a value."""
    moves = (*MOVES[:3], lambda each: each.sheet.rows[1:].reverse(), lambda each: dice.shuffle(each.sheet.rows))

    def move() -> None:
        header = bench.sheet.rows[0]
        dice.choice(moves)(bench)
        bench.sheet.rows.remove(header)
        bench.sheet.rows.insert(0, header)

    return move


@pytest.mark.parametrize("seed", range(25))
def test_somebody_who_moves_rows_before_every_other_write_loses_nothing(
    sandbox: SheetsSandbox, bench: SheetBench, keys: dict[str, str], provider: SheetsProvider, seed: int
) -> None:
    dice = random.Random(seed)
    expected = dict(PEOPLE)
    for turn in range(4):
        # Two in a row: also the write that puts things right may strike.
        for _ in range(dice.randint(1, 2)):
            sandbox.just_before_the_next_write(restless(bench, dice))
        who, is_delete = dice.choice(sorted(expected)), dice.random() < 0.3
        change = (
            changed(ChangeKind.DELETE, keys[who])
            if is_delete
            else changed(ChangeKind.UPDATE, keys[who], company=f"New {turn}")
        )
        (outcome,) = provider.write([change])
        assert outcome.state is ChangeState.APPLIED, (seed, turn)
        expected |= {who: f"New {turn}"}
        if is_delete:
            del expected[who]
        sandbox.state.before_write.clear()
        told = {str(row[0]): str(row[3]) for row in bench.sheet.rows[1:] if row and row[0]}
        assert told == expected, (seed, turn)
        assert notes(bench) == {each: f"note of {each}" for each in expected}
    assert bench.sheet.rows[0] == HEADER
