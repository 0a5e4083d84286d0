"""`integrations report`: the file, its figures, and what bad input gets."""

import re
from html import unescape
from pathlib import Path
from uuid import UUID

import pytest

from integrations_pipeline_tests import busy_week
from integrations_pipeline_tests.busy_week import SECRET
from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.environment import Environment


@pytest.fixture
def week(environment: Environment) -> Environment:
    busy_week.fill(environment)
    return environment


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "week.html"


def written(page: Path, *arguments: str) -> str:
    ran = run("report", "--output", str(page), *arguments)
    assert ran.code == 0, ran.err
    return unescape(page.read_text(encoding="utf-8"))


def rows_of(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    table = text.partition(f">{heading}</h")[2].partition("</table>")[0].partition("<tbody>")[2]
    return [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("</tr>") if "<td" in row]


def test_the_page_tells_what_was_moved_by_provider_and_direction(week: Environment, page: Path) -> None:
    text = written(page)
    rows = rows_of(text, "Contacts moved")
    assert [row[:2] for row in rows] == [
        [provider, way] for provider in ("Airtable", "Gmail", "Mailchimp") for way in ("here to there", "there to here")
    ]
    since = "date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '7 days'"
    (sums,) = week.rows(
        "select sum(records_created), sum(records_updated), sum(records_deleted), sum(records_failed), "
        "count(distinct run_id), sum(api_calls) from integration_sync_logs l join integration_connections c "
        "on c.id = l.connection_id where c.integration_type = 'airtable' and l.direction = 'to_external' "
        f"and l.started_at >= {since}"
    )
    assert rows[0][2:] == [f"{int(str(each)):,}" for each in sums]
    assert "Integrations report, 3 workspaces" in text


def test_equal_causes_are_one_row_without_what_they_tell_of_a_record(week: Environment, page: Path) -> None:
    text = written(page)
    assert [row[:4] for row in rows_of(text, "Runs that failed")] == [["Airtable", busy_week.GONE, "2", "1"]]
    assert [row[:5] for row in rows_of(text, "Contacts that could not be written")] == [
        ["Airtable", "update there", "column Phone is longer than 100 characters", "7", "7"],
        ["Airtable", "update there", "no answer from api.airtable.com within 30 s (request …)", "3", "3"],
        ["Airtable", "update there", "… is not accepted for …", "2", "2"],
    ]


def test_what_waits_and_who_decided_is_told(week: Environment, page: Path) -> None:
    text = written(page)
    waiting = {(row[0], row[1]): row[2:4] for row in rows_of(text, "Waiting now")}
    assert waiting["Airtable", "deletes held"] == ["23", "2"]
    assert waiting["Mailchimp", "open conflicts"] == ["2", "0"]
    assert len(waiting) == 8, "what only the next run looks at is no question"
    decided = rows_of(text, "Decided in this time")
    assert ["Airtable", "holds approved", "mia", "1", "38"] in decided
    assert ["Airtable", "holds rejected", "s…t@example.org", "1", "3"] in decided
    assert len(decided) == 3


def test_conflicts_e_mails_and_connections_are_told(week: Environment, page: Path) -> None:
    text = written(page)
    assert rows_of(text, "Conflicts") == [
        ["Airtable", "company", "here", "local_wins", "4"],
        ["Airtable", "phone", "there", "remote_wins", "2"],
    ]
    states = {row[0]: int(row[1]) for row in rows_of(text, "How those stand that changed in this time")}
    assert states == {"bounced": 3, "replied": 6, "sent": 21}
    connections = rows_of(text, "Connections")
    assert connections[0][:4] == ["vestlys", "Airtable", "error", f"error ({busy_week.GONE})"]
    assert len(connections) == 6


def test_the_delay_is_that_of_edits_whose_time_is_known_and_of_others_the_most_it_can_be(
    environment: Environment, page: Path
) -> None:
    """One edit took 60 s and was its contact's last; another contact was changed again. The run before: 15 min ago."""
    workspace_id = environment.add_workspace("acme")
    environment.connect(workspace_id)
    environment.rows("update integration_connections set created_at = now() - interval '9 days' returning id")
    mine = {
        "workspace_id": workspace_id,
        "connection_id": environment.rows("select id from integration_connections")[0][0],
    }
    first, second = UUID(int=1), UUID(int=2)
    statements = [
        busy_week.insert(
            "workspace_contacts", at={"updated_at": ago}, id=contact, workspace_id=workspace_id, name=contact
        )
        for contact, ago in ((first, "120 seconds"), (second, "5 seconds"))
    ]
    earlier, run_id = busy_week.run_id(0, 1), busy_week.run_id(0, 2)
    statements += [
        busy_week.insert("integration_sync_logs", at={"started_at": ago}, direction="to_external", run_id=each, **mine)
        for each, ago in ((earlier, "15 minutes"), (run_id, "110 seconds"))
    ]
    done = {"run_id": run_id, "kind": "update", "state": "applied", **mine}
    statements += [
        busy_week.insert(
            "integration_changes",
            at={"created_at": "100 seconds", "updated_at": ago},
            contact_id=contact,
            side=side,
            **done,
        )
        for side, contact, ago in (
            ("remote", first, "60 seconds"),
            ("remote", second, "60 seconds"),
            ("local", first, "60 seconds"),
            ("remote", first, "50 seconds"),
        )
    ]
    busy_week.together(environment, statements)
    assert rows_of(written(page), "From an edit to the other side") == [
        ["here to Airtable", "1", "1 min", "1 min", "2", "14 min", "14 min"],
        ["Airtable to here", "0", "–", "–", "1", "14 min", "14 min"],
    ]


def test_no_value_of_a_contact_is_in_it_and_nothing_is_run_or_fetched(week: Environment, page: Path) -> None:
    text = written(page)
    assert SECRET not in text
    assert "<script" not in text
    assert re.findall(r"(?:src|href|url\()=?[\"']?(?!data:)[a-z]+:", text) == []


def test_names_of_workspaces_cannot_become_markup(environment: Environment, page: Path) -> None:
    environment.connect(environment.add_workspace("acme"))
    environment.rows(
        "update integration_connections set status = 'error', error_message = '<b onload=x>&\"''' returning id"
    )
    written(page)
    assert "<b onload" not in page.read_text(encoding="utf-8")
    assert "&lt;b onload=x&gt;&amp;" in page.read_text(encoding="utf-8")


def test_one_workspace_is_told_alone(week: Environment, page: Path) -> None:
    text = written(page, "--workspace", "sydlys")
    assert "Integrations report, sydlys" in text
    assert [row[0] for row in rows_of(text, "Connections")] == ["sydlys", "sydlys"]
    for other in ("nordlys", "vestlys", "Gmail", "mia"):
        assert other not in text
    assert "Every write succeeded." in text
    assert run("report", "--output", str(page.with_name("x")), "-w", "nowhere").code == 2


def test_a_longer_time_is_told_by_weeks_and_a_shorter_one_to_the_hour(week: Environment, page: Path) -> None:
    assert "per week, by provider" in written(page, "--since", "10w")
    assert "per day, by provider" in written(page, "--since", "36h", "--force")


def test_an_installation_in_which_nothing_happened_gets_a_page_too(environment: Environment, page: Path) -> None:
    text = written(page)
    assert "Integrations report, 0 workspaces" in text
    assert "There are no connections." in text


def test_a_fleet_is_cut_with_a_word_and_what_is_wrong_comes_first(environment: Environment, page: Path) -> None:
    for number in range(53):
        environment.connect(environment.add_workspace(f"w{number:02}"))
    environment.rows(
        "update integration_connections c set status = 'disconnected' from workspaces w "
        "where w.id = c.workspace_id and w.slug = 'w52' returning w.id"
    )
    text = written(page)
    rows = rows_of(text, "Connections")
    assert (len(rows), rows[0][0], rows[1][0]) == (50, "w52", "w00")
    assert "and 3 more rows that are not shown" in text


def test_the_document_tells_where_the_page_is_and_what_it_adds_up_to(week: Environment, page: Path) -> None:
    document = run("report", "-o", str(page), "--json").json
    assert (document["file"], document["workspaces"], document["connections"]) == (str(page), 3, 6)
    assert document["records_updated"] > 0


def test_a_file_that_is_there_is_overwritten_only_by_force(week: Environment, page: Path) -> None:
    page.write_text("mine")
    refused = run("report", "--output", str(page))
    assert (refused.code, page.read_text()) == (2, "mine")
    assert "--force overwrites it" in refused.err
    assert "<!DOCTYPE html>" in written(page, "--force")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["-o", "/nonexistent/x.html"], "No such file", id="no folder"),
        pytest.param(["-o", "/", "--force"], "Is a directory", id="folder"),
        pytest.param(["-o", "x" * 300], "name too long", id="long name"),
        pytest.param(["-o", "{}", "--since", "7"], "--since '7'", id="no unit"),
        pytest.param(["-o", "{}", "--since", "0d"], "--since '0d'", id="nothing"),
        pytest.param(["-o", "{}", "--since", "9999w"], "up to 366d", id="too long"),
        pytest.param(["-o", "{}", "--since", "-7d"], "--since '-7d'", id="future"),
    ],
)
def test_a_mistake_gets_one_line(environment: Environment, page: Path, arguments: list[str], says: str) -> None:
    ran: Ran = run("report", *(each.replace("{}", str(page)) for each in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not page.exists()
