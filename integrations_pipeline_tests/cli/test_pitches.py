"""`integrations pitches`, end to end: a file, a send, the table, and a person's decisions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from integrations_pipeline.cli.pitches import mailbox_of
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import FaultRule

MAILBOX = "me@agency.org"


@pytest.fixture
def mailing(environment: Environment, tmp_path: Path) -> Environment:
    """A workspace whose mailbox is connected."""
    environment.add_workspace("acme", people=3)
    environment.sandbox.gmail.create_mailbox(MAILBOX)
    credentials = tmp_path / "gmail.json"
    credentials.write_text(json.dumps({"access_token": environment.sandbox.gmail.token(MAILBOX)}))
    assert run("connections", "add", "gmail", "-w", "acme", "--credentials", str(credentials)).code == 0
    return environment


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def listed(*options: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = run("pitches", "list", "-w", "acme", *options, "--json").json
    return found


def test_a_file_of_pitches_is_queued_sent_once_and_listed(mailing: Environment, tmp_path: Path) -> None:
    rows = "to_email,subject,body\nperson0@acme.org,Hello,First\nperson1@acme.org,Hellö,Second\n"
    assert run("pitches", "import", written(tmp_path / "p.csv", rows), "-w", "acme", "--json").code == 0
    assert {row["status"] for row in listed()} == {"queued"}

    sent = run("pitches", "send", "-w", "acme", "--json")

    assert sent.code == 0
    assert sent.json["results"][0]["records_created"] == 2
    assert {row["status"] for row in listed()} == {"sent"}
    assert run("pitches", "send", "-w", "acme").code == 0
    assert set(mailing.sandbox.gmail.world.count_by_header(PITCH_HEADER).values()) == {1}
    assert "sent" in run("pitches", "list", "-w", "acme").out


def test_bad_rows_are_named_by_line_and_the_rest_is_queued(mailing: Environment, tmp_path: Path) -> None:
    rows = [
        {"to_email": "person0@acme.org", "subject": "Fine", "scheduled_at": "2031-01-01T09:00:00"},
        {"to_email": "nobody", "subject": "x"},
        {"to_email": "person1@acme.org", "subject": " "},
        {"to_email": "person1@acme.org", "subject": "x", "scheduled_at": "tomorrow"},
        {"to_email": "person1@acme.org", "subject": "x", "colour": "red"},
        {"to_email": "person1@acme.org", "subject": "x", "scheduled_at": "9999-12-31T23:59:59-14:00"},
        {"to_email": "person1@acme.org", "subject": "x", "scheduled_at": "0001-01-01T00:00:00+14:00"},
        {"to_email": "a" * 65 + "@acme.org", "subject": "x"},
    ]
    file = written(tmp_path / "p.jsonl", "\n".join([*map(json.dumps, rows), "no json"]))
    ran = run("pitches", "import", file, "-w", "acme", "--json")
    assert ran.code == 1
    assert [found["line"] for found in ran.json["rejected"]] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len(ran.json["ids"]) == 1
    assert "nobody" not in ran.err
    assert run("pitches", "import", written(tmp_path / "q.csv", "to,subject\n"), "-w", "acme").code == 2


def test_drafts_wait_until_somebody_sends_or_cancels_them(mailing: Environment, tmp_path: Path) -> None:
    rows = "to_email,subject,body\nperson0@acme.org,One,x\nperson1@acme.org,Two,x\n"
    made = run("pitches", "import", written(tmp_path / "p.csv", rows), "-w", "acme", "--draft", "--json").json["ids"]
    assert run("pitches", "cancel", made[1], "-w", "acme").code == 0
    assert run("pitches", "send", "-w", "acme", made[0]).code == 0
    assert {row["subject"]: row["status"] for row in listed()} == {"One": "sent", "Two": "cancelled"}
    for arguments in (("send", "-w", "acme", made[1]), ("cancel", made[0], "-w", "acme"), ("send", "-w", "acme", "x")):
        assert run("pitches", *arguments).code == 2


def test_an_unknown_pitch_waits_for_a_person_and_is_never_sent_again_by_itself(
    mailing: Environment, tmp_path: Path
) -> None:
    rows = "to_email,subject,body\nperson0@acme.org,Lost,x\n"
    (pitch,) = run("pitches", "import", written(tmp_path / "p.csv", rows), "-w", "acme", "--json").json["ids"]
    gmail = mailing.sandbox.gmail
    gmail.stage.faults.add(FaultRule(action="drop_after", path_regex="drafts/send"))
    # Nobody can look for what was sent while the mailbox is searched in vain.
    gmail.add_error("notFound", method="GET", path_regex="/threads/")
    gmail.set_options(search_lag_seconds=3600)
    assert run("sync", "-w", "acme", "-p", "gmail", "--direction", "to_external").code in (0, 1)
    unknown = listed("--unknown")
    assert [row["id"] for row in unknown] == [pitch], listed()
    assert run("pitches", "resolve", pitch, "-w", "acme", "--sent", "--json").json["status"] == "sent"
    assert run("pitches", "resolve", pitch, "-w", "acme", "--sent").code == 2
    assert gmail.world.count_by_header(PITCH_HEADER)[(PITCH_HEADER, pitch)] in (0, 1)
    assert len(gmail.world.deliveries()) == 1


def test_failed_pitches_are_queued_again_by_a_command_and_never_those_that_went_out(
    mailing: Environment, tmp_path: Path
) -> None:
    rows = "to_email,subject,body\nperson0@acme.org,One,x\nperson1@acme.org,Two,x\n"
    run("pitches", "import", written(tmp_path / "p.csv", rows), "-w", "acme")
    mailing.sandbox.gmail.add_error("invalidArgument", path_regex="drafts$", method="POST", times=1)
    assert run("pitches", "send", "-w", "acme").code == 1
    (failed,) = [str(row["id"]) for row in listed("--status", "failed")]
    (sent,) = [str(row["id"]) for row in listed("--status", "sent")]
    retried = run("pitches", "retry", failed, sent, "-w", "acme", "--json")
    assert (retried.code, retried.json) == (1, {"ids": [failed], "left": [sent]})
    assert f"pitch {sent} did not fail, or may have gone out" in retried.err
    assert run("pitches", "send", "-w", "acme").code == 0
    assert {row["status"] for row in listed()} == {"sent"}
    assert set(mailing.sandbox.gmail.world.count_by_header(PITCH_HEADER).values()) == {1}


def test_the_same_text_twice_needs_a_word(mailing: Environment, tmp_path: Path) -> None:
    rows = "to_email,subject,body\nperson0@acme.org,One,x\nperson0@acme.org,One,x\n"
    run("pitches", "import", written(tmp_path / "p.csv", rows), "-w", "acme")
    sent = run("pitches", "send", "-w", "acme")
    (second,) = [str(row["id"]) for row in listed("--status", "failed")]
    assert (sent.code, f"`integrations pitches retry {second} --repeat --workspace acme`" in sent.err) == (1, True)
    assert run("pitches", "retry", "--all", "-w", "acme", "--json").json["ids"] == [second]
    assert run("pitches", "send", "-w", "acme").code == 1
    (item,) = run("inbox", "-w", "acme", "--kind", "pitch", "--json").json["items"]
    assert item["command"] == f"integrations pitches retry {second} --repeat --workspace acme", "what helps"
    assert run("pitches", "retry", second, "--repeat", "-w", "acme").code == 0
    assert run("pitches", "send", "-w", "acme").code == 0
    assert {row["status"] for row in listed()} == {"sent"}


def test_what_to_queue_again_must_be_said(mailing: Environment) -> None:
    for arguments in ((), ("--all", "6adafcc1-b30b-43bc-84f0-6e641f59799e"), ("--all", "--repeat"), ("x",)):
        assert run("pitches", "retry", *arguments, "-w", "acme").code == 2
    nothing = run("pitches", "retry", "--all", "-w", "acme")
    assert (nothing.code, nothing.out) == (0, "0 pitches queued again\n")


def test_a_status_that_no_pitch_has_is_refused(mailing: Environment) -> None:
    ran = run("pitches", "list", "--status", "send", "-w", "acme")
    assert (ran.code, ran.err.splitlines()[0][:37]) == (2, "error: --status 'send': choose of dra")


def test_a_check_refuses_a_token_that_may_only_read(mailing: Environment, tmp_path: Path) -> None:
    assert run("connections", "check", "gmail", "-w", "acme").code == 0
    scopes = ["https://www.googleapis.com/auth/gmail.readonly"]
    credentials = tmp_path / "read.json"
    credentials.write_text(json.dumps({"access_token": mailing.sandbox.gmail.token(MAILBOX, scopes)}))
    assert run("connections", "add", "gmail", "-w", "acme", "--credentials", str(credentials)).code == 0
    checked = run("connections", "check", "gmail", "-w", "acme")
    assert checked.code != 0
    assert "lacks a scope" in checked.err


def test_without_a_mailbox_nothing_is_queued_and_the_next_step_is_told(
    environment: Environment, tmp_path: Path
) -> None:
    environment.connect(environment.add_workspace("acme"))
    rows = "to_email,subject,body\nperson0@acme.org,One,x\n"
    (draft,) = run("pitches", "import", written(tmp_path / "p.csv", rows), "-w", "acme", "--draft", "--json").json[
        "ids"
    ]
    ran = run("pitches", "send", "-w", "acme", draft)
    assert ran.code == 2
    assert ran.err.strip().endswith(
        "no connection with a mailbox: `integrations connections add gmail --workspace acme` makes one"
    )
    assert [row["status"] for row in listed()] == ["draft"]


def test_pitches_go_through_whatever_mailbox_the_workspace_has_and_of_several_a_person_names_one(
    mailing: Environment,
) -> None:
    runtime = mailing.wiring.runtime
    runtime = replace(runtime, specs={**runtime.specs, "post": replace(runtime.spec("gmail"), name="post")})
    workspace_id = mailing.add_workspace("other")
    new = NewConnection(integration_type="post", credentials={"access_token": "x"}, settings={})
    with runtime.database.workspace(workspace_id) as connection:
        connections.save_connection(connection, workspace_id, new, runtime.cipher)
        assert mailbox_of(connection, runtime, workspace_id) == "post"
        connections.save_connection(connection, workspace_id, replace(new, integration_type="gmail"), runtime.cipher)
        with pytest.raises(ConfigurationError, match=r"several mailboxes \(gmail, post\)"):
            mailbox_of(connection, runtime, workspace_id)
