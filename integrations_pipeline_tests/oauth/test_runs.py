"""A token that ends in the middle of a run: renewed once and the request repeated, or the run says that it is lost."""

import logging
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.oauth.arrangement import Place, leaked, secrets_of
from integrations_pipeline_tests.sync.arrangement import NO_TLS
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, DEFAULT_TOKEN

PEOPLE = 25
REMEDY = "`integrations connections authorize {} --workspace acme` connects it again"


class Watching(httpx.HTTPTransport):
    """The network; before the nth request that fits, something happens once."""

    def __init__(self, event: Callable[[], object], method: str, nth: int = 1) -> None:
        super().__init__(verify=NO_TLS, trust_env=False)
        self._event, self._method, self._left = event, method, nth

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == self._method and "/token" not in request.url.path:
            self._left -= 1
            if self._left == 0:
                self._event()
        return super().handle_request(request)


def _without_contact_ids(place: Place) -> ConnectionRow:
    """A table without the key column: records are made by plain POSTs, which must not be sent twice."""
    workspace_id = place.add_workspace("acme", PEOPLE)
    airtable = place.sandbox.airtable
    base = airtable.create_base("CRM")
    table = airtable.create_contacts_table(base.id, with_contact_id=False)
    return place.grant(workspace_id, "airtable", {"base_id": base.id, "table_id": table.id})


def _with_contact_ids(place: Place) -> ConnectionRow:
    return place.authorised(people=PEOPLE)


def _sync(place: Place, row: ConnectionRow, event: Callable[[], object], method: str, nth: int = 1) -> SyncReport:
    return place.sync(row, place.runtime_with(transport=Watching(event, method, nth)))


def _calls(place: Place) -> Counter[int | None]:
    """API requests by the status of their answer; those to the token endpoint are no API requests."""
    return Counter(entry.status for entry in place.requests("/airtable"))


@pytest.mark.parametrize(
    ("make", "method"),
    [
        pytest.param(_with_contact_ids, "GET", id="read"),
        pytest.param(_with_contact_ids, "PATCH", id="upsert"),
        pytest.param(_without_contact_ids, "POST", id="create that is not repeatable"),
    ],
)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_token_that_ends_in_the_middle_is_renewed_once_and_the_request_repeated(
    place: Place, make: Callable[[Place], ConnectionRow], method: str, nth: int
) -> None:
    row = make(place)
    known = place.credentials(row)["access_token"]

    report = _sync(place, row, lambda: place.sandbox.oauth.expire_access(known), method, nth)

    calls = _calls(place)
    assert report.error == ""
    assert place.renewals() == {"ok": 1}
    assert 1 <= calls[401] <= 4
    assert set(calls) == {200, 401}
    emails = [record["fields"]["Email"] for record in place.records(row)]
    assert sorted(emails) == sorted(f"person{i}@acme.org" for i in range(PEOPLE))
    assert report.api_calls == calls.total()
    assert sum(entry["api_calls"] for entry in place.log(row)) == calls.total()
    assert place.status(row) == ("active", 0)
    assert place.works("airtable", place.credentials(row)["access_token"])


@pytest.mark.parametrize(
    ("make", "method"),
    [
        pytest.param(_with_contact_ids, "GET", id="while reading"),
        pytest.param(_with_contact_ids, "PATCH", id="while writing"),
        pytest.param(_without_contact_ids, "POST", id="while making"),
    ],
)
def test_an_authorisation_taken_back_in_the_middle_ends_the_run_and_nothing_more_is_sent(
    place: Place, make: Callable[[Place], ConnectionRow], method: str
) -> None:
    row = make(place)
    refresh_token = place.credentials(row)["refresh_token"]

    report = _sync(place, row, lambda: place.sandbox.oauth.revoke("airtable", refresh_token), method)

    assert REMEDY.format("airtable") in report.error
    assert place.renewals() == {"invalid_grant": 1}
    assert place.status(row) == ("disconnected", 1)
    for entry in place.log(row):
        assert entry["status"] == "failed"
        assert REMEDY.format("airtable") in entry["errors"][0]
    assert "disconnected" in place.activity(row)
    # At most what was under way in other threads was sent after the first refusal, and refused.
    assert _calls(place)[401] <= 4
    seen = len(place.requests())
    ran = run("sync", "-w", "acme", "-p", "airtable")
    assert (ran.code, REMEDY.format("airtable") in ran.err) == (2, True)
    assert len(place.requests()) == seen
    open_rows = "select count(*) from integration_changes where state in ('planned', 'intended')"
    # Creates that may have been carried out wait to be looked up.
    assert place.rows(f"{open_rows} and not (kind = 'create' and side = 'remote' and state = 'intended')") == [(0,)]

    place.grant(row.workspace_id, "airtable")
    assert place.sync(row).error == ""
    assert len(place.records(row)) == PEOPLE
    assert place.rows(open_rows) == [(0,)]


def test_a_provider_that_refuses_every_token_fails_the_run_without_asking_for_ever(place: Place) -> None:
    row = place.authorised(people=PEOPLE)
    place.fault_at("^/airtable/", "status", status=401, body={"error": {"type": "AUTHENTICATION_REQUIRED"}}, times=-1)

    reports = [place.sync(row) for _ in range(3)]

    assert [report.error.partition(":")[0] for report in reports] == ["Airtable refuses the token"] * 3
    assert place.renewals() == {"ok": 3}
    assert place.status(row) == ("error", 3)


def _mailchimp(place: Place, credentials: dict[str, str] | None = None) -> ConnectionRow:
    workspace_id = place.add_workspace("acme", 3)
    audience = place.sandbox.mailchimp.create_list("Friends", extra_fields=["COMPANY"])
    found = place.granted("mailchimp") if credentials is None else credentials
    return place.store(workspace_id, "mailchimp", found, {"list_id": audience.id})


def test_a_mailchimp_token_that_was_taken_back_disconnects_at_once(place: Place) -> None:
    row = _mailchimp(place)
    assert place.sync(row).error == ""
    place.sandbox.oauth.revoke("mailchimp", place.credentials(row)["access_token"])
    place.sandbox.mailchimp.clear_requests()

    report = place.sync(row)

    assert REMEDY.format("mailchimp") in report.error
    assert place.status(row) == ("disconnected", 1)
    assert [entry.status for entry in place.requests("/mailchimp")] == [401]
    assert [run("sync", "-w", "acme", "-p", "mailchimp").code for _ in range(3)] == [2, 2, 2]
    assert len(place.requests("/mailchimp")) == 1
    place.grant(row.workspace_id, "mailchimp")
    assert place.sync(row).error == ""


def _airtable_by_key(place: Place) -> tuple[ConnectionRow, Callable[[], None]]:
    workspace_id: UUID = place.add_workspace("acme", 2)
    place.connect(workspace_id)
    row = place.connection(workspace_id, "airtable")
    return row, lambda: place.sandbox.airtable.revoke_token(DEFAULT_TOKEN)


def _mailchimp_by_key(place: Place) -> tuple[ConnectionRow, Callable[[], None]]:
    row = _mailchimp(place, {"api_key": DEFAULT_MAILCHIMP_KEY})
    return row, lambda: place.sandbox.mailchimp.revoke_api_key(DEFAULT_MAILCHIMP_KEY)


@pytest.mark.parametrize("make", [_airtable_by_key, _mailchimp_by_key], ids=["airtable", "mailchimp"])
def test_a_key_that_is_refused_three_times_is_an_error_and_no_lost_authorisation(
    place: Place, make: Callable[[Place], tuple[ConnectionRow, Callable[[], None]]]
) -> None:
    row, revoke = make(place)
    assert place.sync(row).error == ""
    revoke()

    found = []
    for _ in range(3):
        assert "refuses the" in place.sync(row).error
        found.append(place.status(row))

    assert found == [("active", 1), ("active", 2), ("error", 3)]


def test_no_run_leaves_a_secret_in_log_streams_or_database(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    row = place.authorised(people=2)
    command = ("sync", "-w", "acme", "-p", "airtable", "--json")
    with caplog.at_level(logging.DEBUG):
        ran = [run(*command)]
        place.expire(row)
        place.fault("airtable", "status", status=503)
        ran.append(run(*command))
        place.expire(row)
        ran.append(run("sync", "-w", "acme", "-p", "airtable", "--full"))
        place.sandbox.oauth.revoke("airtable", place.credentials(row)["refresh_token"])
        ran += [run(*command), run(*command), run("connections", "list", "-w", "acme", "--json"), run("status")]
        ran += [run("logs", "-w", "acme", "--json"), run("plan", "-w", "acme", "-p", "airtable")]

    assert [each.code for each in ran] == [0, 0, 0, 1, 2, 0, 0, 0, 1]
    secrets = secrets_of(place.sandbox)
    assert len(secrets) >= 8
    streams = [text for each in ran for text in (each.out, each.err)]
    assert leaked(secrets, caplog.text, place.everything_written(), *streams) == []
