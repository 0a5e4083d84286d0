"""What is odd about Sheets: texts that would become something else, ragged rows, keys, limits, lost answers,
refusals."""

from collections.abc import Iterator

import pytest

from bench import KEY, MAPPING, SheetBench
from google_sheets_sandbox import Formula, SheetsSandbox
from google_sheets_sandbox.api import LIMIT
from google_sheets_sandbox.server import DEFAULT_TOKEN
from google_sheets_sandbox.state import READ_SCOPE
from integrations_google_sheets.limits import API_URL
from integrations_google_sheets.provider import SheetsProvider
from integrations_google_sheets.values import FAULTS, to_field
from integrations_pipeline.errors import ConfigurationError, CredentialsError, InDoubtError, NeedsAttentionError
from integrations_pipeline.model import Change, ChangeKind, ChangeState, ContactValues, MappedField, Side
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.testing import FreePacer, provider_context

KINDS = {"create": ChangeKind.CREATE, "update": ChangeKind.UPDATE, "delete": ChangeKind.DELETE}
CONTACT = "00000000-0000-4000-8000-000000000001"


def change(
    kind: str, key: str | None, contact_id: str = CONTACT, *, is_key_taken: bool = False, **after: str
) -> Change:
    return Change(
        side=Side.REMOTE,
        kind=KINDS[kind],
        contact_id=contact_id,
        external_id=key,
        after=after,
        is_key_taken=is_key_taken,
    )


@pytest.fixture
def provider(bench: SheetBench) -> Iterator[SheetsProvider]:
    provider = bench.provider()
    yield provider
    provider.close()


def read(provider: SheetsProvider) -> dict[str, RemoteRecord]:
    return {record.external_id: record for page in provider.read_all() for record in page.records}


@pytest.mark.parametrize("text", ["=1+1", "+44 20 7946", "0042", "1-2", "TRUE", "'quoted", "-5", "@here", "1e5"])
def test_a_text_is_kept_as_it_is_and_never_computed(bench: SheetBench, provider: SheetsProvider, text: str) -> None:
    read(provider)
    provider.prepare_write()
    (made,) = provider.write([change("create", None, email="a@x.org", company="Before")])
    assert made.external_id == CONTACT
    read(provider)
    (written,) = provider.write([change("update", CONTACT, company=text)])
    assert (written.state, bench.sheet.rows[1][3]) == (ChangeState.APPLIED, text)
    assert read(provider)[CONTACT].fields["company"] == text
    (again,) = provider.write([change("update", CONTACT, company="After")])
    assert again.state is ChangeState.APPLIED, "a text that looks like a formula is none"


def test_a_formula_is_not_written_over(bench: SheetBench, provider: SheetsProvider) -> None:
    bench.sheet.rows += [["a@x.org", "", "A", Formula('="Ac"&"me"', "Acme")], ["b@x.org", "", "B", "Beige"]]
    keys = [key for key, record in read(provider).items() if record.fields["company"]]
    provider.prepare_write()
    one, two = provider.write([change("update", key, company="New") for key in keys])
    assert (one.state, two.state) == (ChangeState.FAILED, ChangeState.APPLIED)
    assert "holds a formula" in one.reason
    assert isinstance(bench.sheet.rows[1][3], Formula)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (True, "true"),
        (False, ""),
        ("  x ", "x"),
        *((each, None) for each in FAULTS),
    ],
)
def test_what_a_cell_says(cell: str | float | bool, value: str | None) -> None:
    assert to_field(cell, MappedField(name="company", column="Company")) == value


@pytest.mark.parametrize(("cell", "value"), [("yes", "true"), (True, "true"), ("no", ""), ("", ""), ("perhaps", None)])
def test_what_a_cell_says_of_consent(cell: str | bool, value: str | None) -> None:
    assert to_field(cell, MappedField(name="email_opt_out", column="Out")) == value


def test_ragged_rows_and_gaps_are_read_and_new_rows_go_below_all(bench: SheetBench, provider: SheetsProvider) -> None:
    bench.sheet.rows += [["a@x.org"], [], ["", "only a note"], [], ["b@x.org", "", "B"]]
    records = read(provider)
    assert sorted(record.fields["email"] for record in records.values()) == ["", "a@x.org", "b@x.org"]
    assert all(record.fields["company"] == "" for record in records.values())
    provider.prepare_write()
    provider.write([change("create", None, email="new@x.org")])
    assert [row[:1] for row in bench.sheet.rows[1:]] == [["a@x.org"], [], [""], [], ["b@x.org"], ["new@x.org"]]


def test_a_copied_row_gets_a_key_of_its_own_and_the_upper_one_stays(
    bench: SheetBench, provider: SheetsProvider
) -> None:
    read(provider)
    provider.prepare_write()
    provider.write([change("create", None, email="a@x.org", name="A")])
    bench.sheet.rows.append(list(bench.sheet.rows[1]))
    records = read(provider)
    assert len(records) == 2
    assert records[CONTACT].contact_key == CONTACT
    assert [record.contact_key for key, record in records.items() if key != CONTACT] == [""]


def test_a_create_whose_key_a_copy_carries_is_made_beside_it_once(bench: SheetBench, provider: SheetsProvider) -> None:
    bench.sheet.rows.append(["old@x.org", "", "", "", CONTACT])
    read(provider)
    provider.prepare_write()
    asked = change("create", None, email="a@x.org", is_key_taken=True)
    (first,), (second,) = provider.write([asked]), provider.write([asked])
    assert first.external_id == second.external_id != CONTACT
    assert sorted(str(row[0]) for row in bench.sheet.rows[1:]) == ["a@x.org", "old@x.org"]


def test_a_preview_writes_nothing_and_calls_rows_as_the_run_after_it(
    sandbox: SheetsSandbox, bench: SheetBench, provider: SheetsProvider
) -> None:
    bench.sheet.rows += [["a@x.org"], ["a@x.org"], ["b@x.org"]]
    before = [list(row) for row in bench.sheet.rows]
    looker = bench.provider(is_read_only=True)
    told = read(looker)
    looker.close()
    assert bench.sheet.rows == before
    assert [entry for entry in sandbox.requests if entry.startswith("POST")] == []
    assert list(read(provider)) == list(told)
    assert len(told) == 3


def test_a_protected_row_keeps_no_other_from_its_key(bench: SheetBench, provider: SheetsProvider) -> None:
    bench.sheet.rows += [[f"p{number}@x.org"] for number in range(9)]
    bench.sheet.protected_rows = {4}
    pages = list(provider.read_all())
    assert {record.fields["email"] for record in pages[0].records} == {f"p{n}@x.org" for n in range(9) if n != 3}
    assert pages[0].notices == ("rows left out: 1; no key can be written there, as in protected rows",)


def test_a_quiet_run_is_one_request_and_a_batch_of_writes_three(
    sandbox: SheetsSandbox, bench: SheetBench, provider: SheetsProvider
) -> None:
    bench.people_make([{"email": f"p{number}@x.org"} for number in range(300)])
    keys = list(read(provider))
    sandbox.requests.clear()
    read(provider)
    assert sandbox.requests == ["GET 'Our People'"]
    provider.prepare_write()
    sandbox.requests.clear()
    provider.write([change("update", key, company="New") for key in keys])
    assert sandbox.requests == ["GET 'Our People'", "POST values:batchUpdate", "GET 'Our People'"]


class Clock(FreePacer):
    """A pacer and a clock: pauses pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def pause(self, key: str, seconds: float) -> None:
        super().pause(key, seconds)
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_used_up_quota_is_waited_out() -> None:
    clock = Clock()
    with SheetsSandbox(limit=LIMIT, now=lambda: clock.now) as sandbox:
        sandbox.create_sheet("book1", "Contacts", [["Email", "Name", "Company", "Contact ID"], ["a@x.org"]])
        provider = SheetsProvider(
            provider_context(
                token=DEFAULT_TOKEN,
                settings={"spreadsheet_id": "book1"},
                mapping=MAPPING,
                addresses={API_URL: sandbox.url},
                pacer=clock,
                sleep=clock.sleep,
            )
        )
        (key,) = read(provider)
        provider.prepare_write()
        states = {provider.write([change("update", key, company=f"{n}")])[0].state for n in range(100)}
        provider.close()
    assert states == {ChangeState.APPLIED}
    assert len(clock.pauses) >= 4
    assert clock.now > 60


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_lost_is_looked_for_in_the_sheet(
    sandbox: SheetsSandbox, bench: SheetBench, provider: SheetsProvider, kind: str
) -> None:
    bench.people_make([{"email": "a@x.org", "company": "Amber"}, {"email": "b@x.org"}])
    first, *_ = read(provider)
    provider.prepare_write()
    sandbox.lost_answers = 1
    asked = {
        "create": change("create", None, email="c@x.org", company="New"),
        "update": change("update", first, company="New"),
        "delete": change("delete", first),
    }[kind]
    (outcome,) = provider.write([asked])
    assert outcome.state is ChangeState.APPLIED
    expected = {
        "create": {"a@x.org": "Amber", "b@x.org": "", "c@x.org": "New"},
        "update": {"a@x.org": "New", "b@x.org": ""},
        "delete": {"b@x.org": ""},
    }[kind]
    assert bench.shown() == expected


def test_a_create_that_nobody_knows_of_is_not_sent_again(
    sandbox: SheetsSandbox, bench: SheetBench, provider: SheetsProvider
) -> None:
    """It may arrive after we have looked: the next run looks for it by its key."""
    read(provider)
    provider.prepare_write()
    sandbox.lost_answers = 1
    bench.sheet.rows[0][KEY] = "Contact ID"
    sandbox.state.drops.add("Contact ID")
    with pytest.raises(InDoubtError):
        provider.write([change("create", None, email="c@x.org")])
    assert len([entry for entry in sandbox.requests if entry.startswith("POST")]) == 1


def test_a_sheet_without_its_key_column_stops_until_it_is_made(
    sandbox: SheetsSandbox, bench: SheetBench, provider: SheetsProvider
) -> None:
    bench.sheet.rows[0][KEY:] = []
    bench.sheet.rows.append(["a@x.org", "", "", "", "a stray cell"])
    with pytest.raises(ConfigurationError, match="--create-field"):
        read(provider)
    assert any("--create-field" in problem for problem in provider.check(ContactValues()).problems)
    bench.sheet.column_count = 5
    provider.create_key_column()
    assert bench.sheet.rows[0] == ["Email", "Notes", "Name", "Company", "", "Contact ID"]
    assert len(read(provider)) == 1


def test_two_columns_of_one_name_are_told(bench: SheetBench, provider: SheetsProvider) -> None:
    bench.sheet.rows[0].append("Company")
    with pytest.raises(ConfigurationError, match='two columns are called "Company"'):
        read(provider)


def test_a_check_counts_what_does_not_fit_and_tells_a_token_that_may_only_read(
    sandbox: SheetsSandbox, bench: SheetBench, provider: SheetsProvider
) -> None:
    long = ContactValues(contact_count=2, held={"company": {"x" * 50_001: 2}})
    assert provider.check(long).notes == (
        '2 values of company do not fit: column "Company" holds at most 50000 characters in a cell',
    )
    sandbox.state.tokens[DEFAULT_TOKEN] = {READ_SCOPE}
    (problem,) = provider.check(ContactValues()).problems
    assert "lacks the scope" in problem


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ("token", CredentialsError, "refuses the token"),
        ("shared", NeedsAttentionError, "not shared"),
        ("gone", ConfigurationError, "spreadsheet does not exist"),
        ("renamed", ConfigurationError, 'no sheet "Our People"'),
    ],
)
def test_a_refusal_names_the_next_step(
    sandbox: SheetsSandbox, bench: SheetBench, provider: SheetsProvider, wrong: str, error: type[Exception], words: str
) -> None:
    if wrong == "token":
        sandbox.state.tokens.clear()
    elif wrong == "shared":
        sandbox.state.unshared.add("book1")
    elif wrong == "gone":
        sandbox.state.sheets.clear()
    else:
        bench.sheet.title = "Renamed"
    with pytest.raises(error, match=words):
        read(provider)
    (problem,) = provider.check(ContactValues()).problems
    assert words in problem
