"""When values are the same and what a pair comes to, on values alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations_pipeline.model import CONSENT_OUT, CONSENT_UNASKED, FieldKind, FieldRule, Side, join_set
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store.verification import ContactState, LinkState, LocalState, Marks, Wait
from integrations_pipeline.verify.compare import WAITING, Certificate, News, Sides, compare
from integrations_pipeline.verify.values import is_same

TEXT, EMAIL, SET, CONSENT = FieldKind.TEXT, FieldKind.EMAIL, FieldKind.SET, FieldKind.CONSENT
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "here", "there", "same"),
    [
        pytest.param(TEXT, None, "", True, id="nothing and empty"),
        pytest.param(TEXT, " a\r\nb ", "a\nb", True, id="white space and line ends"),
        pytest.param(TEXT, "Zoe\u0308", "Zo\u00eb", True, id="forms of one letter"),
        pytest.param(TEXT, "a", "A", False, id="case of texts"),
        pytest.param(TEXT, "0", "", False, id="zero is a value"),
        pytest.param(TEXT, "2024-01-31T10:00:00+02:00", "2024-01-31T08:00:00.000Z", True, id="one moment"),
        pytest.param(TEXT, "2024-01-31T08:00:00", "2024-01-31T08:00:00Z", False, id="a moment without a zone"),
        pytest.param(TEXT, "2024-13-31T08:00:00Z", "2024-13-31T08:00Z", False, id="no such month"),
        pytest.param(EMAIL, "A@b.ORG ", "a@B.org", True, id="case of e-mails"),
        pytest.param(EMAIL, "a@b.org", "", False, id="an e-mail and none"),
        pytest.param(SET, ["a", "b"], join_set(["b", "a"]), True, id="order of tags"),
        pytest.param(SET, ["a", "a "], "a", True, id="tags twice"),
        pytest.param(SET, None, "", True, id="no tags"),
        pytest.param(SET, ["a"], join_set(["a", "b"]), False, id="a tag more"),
        pytest.param(SET, ["a"], "A", False, id="case of tags"),
        pytest.param(CONSENT, True, CONSENT_OUT, True, id="both out"),
        pytest.param(CONSENT, False, "", True, id="both in"),
        pytest.param(CONSENT, False, "in@2026-01-01T00:00:00+00:00", True, id="in by their own deed"),
        pytest.param(CONSENT, True, "in@2026-01-01T00:00:00+00:00", False, id="out here, in there"),
        pytest.param(CONSENT, False, "Yes", False, id="out there in another word"),
        pytest.param(CONSENT, True, CONSENT_UNASKED, True, id="never asked there"),
    ],
)
def test_when_two_values_are_the_same(kind: FieldKind, here: Any, there: str, same: bool) -> None:
    assert is_same(kind, here, there) is same


def contact(version: int = 1, **values: Any) -> ContactState:
    return ContactState(version=version, touched_at=NOW - timedelta(days=1), values=values)


def local(here: ContactState, base: dict[str, Any] | None = None, waits: tuple[Wait, ...] = ()) -> LocalState:
    link = LinkState(external_id="r", contact_version=1, base=base or {})
    return LocalState(contacts={"c": here}, links={"c": link}, waits=waits, looked_at=NOW)


def marks(state: LocalState) -> Marks:
    """As they are when nothing happens meanwhile."""
    return Marks(versions={key: each.version for key, each in state.contacts.items()}, links=state.links)


def judged(here: ContactState, there: dict[str, str], rule: FieldRule, **how: Any) -> Certificate:
    state = local(here, how.pop("base", None), how.pop("waits", ()))
    given = {"before": marks(state), "after": state, "news": News(), "rules": [rule], **how}
    return compare(Sides(records={"r": RemoteRecord(external_id="r", fields=there)}, **given))


COMPANY = FieldRule(name="company")
OUT_ONLY = FieldRule(name="company", to_local=False)
IN_ONLY = FieldRule(name="company", to_remote=False)
CONSENT_IN_ONLY = FieldRule(name="email_opt_out", kind=CONSENT, to_remote=False)


@pytest.mark.parametrize(
    ("rule", "base", "reason"),
    [
        pytest.param(COMPANY, {"company": "here"}, "", id="both ways, changed there"),
        pytest.param(COMPANY, {"company": "there"}, "", id="both ways, changed here"),
        pytest.param(OUT_ONLY, {"company": "here"}, "one_way", id="only goes out, changed there"),
        pytest.param(OUT_ONLY, {"company": "there"}, "", id="only goes out, changed here"),
        pytest.param(IN_ONLY, {"company": "there"}, "one_way", id="only comes in, changed here"),
        pytest.param(IN_ONLY, {"company": "here"}, "", id="only comes in, changed there"),
        pytest.param(OUT_ONLY, {"company": "old"}, "", id="only goes out, changed on both"),
    ],
)
def test_a_field_that_goes_one_way_may_differ_only_the_other_way(
    rule: FieldRule, base: dict[str, str], reason: str
) -> None:
    found = judged(contact(company="here"), {"company": "there"}, rule, base=base)
    assert found.waiting_by == ({reason: 1} if reason else {})
    assert len(found.differing) == (not reason)


def test_an_opt_out_that_may_not_go_out_stays_here() -> None:
    here = contact(email_opt_out=True)
    assert judged(here, {"email_opt_out": ""}, CONSENT_IN_ONLY).waiting_by == {"one_way": 1}
    assert judged(contact(email_opt_out=False), {"email_opt_out": CONSENT_OUT}, CONSENT_IN_ONLY).differing_count == 1


def test_a_provider_that_takes_nothing_is_asked_for_nothing() -> None:
    state = LocalState(contacts={"c": contact(company="x")}, looked_at=NOW)
    sides = Sides(
        before=marks(state), after=state, records={}, news=News(), rules=[COMPANY], writable=frozenset({Side.LOCAL})
    )
    assert compare(sides).compared == 0


def test_a_field_that_the_answer_does_not_tell_is_not_compared() -> None:
    assert judged(contact(company="x"), {}, COMPANY).equal == 1


def test_what_waits_for_one_field_excuses_no_other() -> None:
    waits = (Wait(why="conflict", contact_id="c", fields=("phone",)),)
    assert judged(contact(company="x"), {"company": "y"}, COMPANY, waits=waits).differing_count == 1
    waits = (Wait(why="conflict", contact_id="c", fields=("company",)),)
    assert judged(contact(company="x"), {"company": "y"}, COMPANY, waits=waits).waiting_by == {"conflict": 1}


def test_a_feed_that_tells_one_field_excuses_no_other() -> None:
    news = News(fields={"r": frozenset({"phone"})})
    assert judged(contact(company="x"), {"company": "y"}, COMPANY, news=news).differing_count == 1
    news = News(fields={"r": None})
    assert judged(contact(company="x"), {"company": "y"}, COMPANY, news=news).waiting_by == {"edited_there": 1}


@pytest.mark.parametrize(
    "waits",
    [
        pytest.param((Wait(why="stopped_field", fields=("company",)),), id="a stopped field"),
        pytest.param((Wait(why="everything"),), id="everything is to be read"),
        pytest.param((Wait(why="read_again", external_id="r"),), id="the record is to be read again"),
        pytest.param((Wait(why="held", contact_id="c"),), id="the contact is held"),
    ],
)
def test_what_waits_by_the_agenda_is_known(waits: tuple[Wait, ...]) -> None:
    assert judged(contact(company="x"), {"company": "y"}, COMPANY, waits=waits).waiting == 1


def test_a_delete_that_a_filter_cannot_tell_is_left_to_the_full_read() -> None:
    state = local(contact(company="x"))
    sides = Sides(before=marks(state), after=state, records={}, news=News(tells_deletes=False), rules=[COMPANY])
    assert compare(sides).waiting_by == {"next_full_read": 1}


def test_a_link_without_either_side_differs_from_nothing() -> None:
    state = LocalState(links={"c": LinkState(external_id="r", contact_version=1, base={})}, looked_at=NOW)
    assert compare(Sides(before=marks(state), after=state, records={}, news=News(), rules=[COMPANY])).equal == 1


def test_every_reason_has_its_words() -> None:
    assert all(words and words == words.strip() for words in WAITING.values())
