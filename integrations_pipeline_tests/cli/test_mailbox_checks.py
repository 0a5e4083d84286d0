"""`integrations connections check gmail`: which right is missing, and limits that are not the account's."""

import json
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.environment import Environment

SCOPE = "https://www.googleapis.com/auth/gmail."


def mailbox(environment: Environment, tmp_path: Path, address: str, *scopes: str, **settings: object) -> Ran:
    """A Gmail connection of acme with these scopes; how its check went."""
    gmail, credentials, given = environment.sandbox.gmail, tmp_path / "gmail.json", tmp_path / "settings.json"
    gmail.create_mailbox(address)
    credentials.write_text(json.dumps({"access_token": gmail.token(address, [SCOPE + each for each in scopes])}))
    given.write_text(json.dumps(settings))
    files = ("--credentials", str(credentials), "--settings", str(given))
    assert run("connections", "add", "gmail", "-w", "acme", *files).code == 0
    return run("connections", "check", "gmail", "-w", "acme", "--json")


@pytest.mark.parametrize(
    ("scopes", "told"),
    [
        (("readonly",), "drafts and sending (gmail.compose): the token lacks a scope"),
        (("compose",), "the mailbox and its addresses (gmail.readonly): the token lacks a scope"),
        (("metadata", "settings.basic", "compose"), "the mailbox's messages (gmail.readonly): "),
    ],
)
def test_a_grant_that_lacks_a_scope_is_told_which(
    environment: Environment, tmp_path: Path, scopes: tuple[str, ...], told: str
) -> None:
    environment.add_workspace("acme")
    ran = mailbox(environment, tmp_path, "me@agency.org", *scopes)
    assert ran.code == 1
    problems = ran.json["gmail"]["problems"]
    assert any(problem.startswith(told) for problem in problems), problems
    assert not any("gmail.compose" in problem for problem in problems if "compose" in scopes)


def test_who_sends_nothing_needs_no_right_to_send(environment: Environment, tmp_path: Path) -> None:
    environment.add_workspace("acme")
    ran = mailbox(environment, tmp_path, "me@agency.org", "readonly", daily_send_limit=0)
    assert ran.code == 0
    assert "nothing is sent" in ran.json["gmail"]["notes"][0]


@pytest.mark.parametrize(
    ("address", "limit", "told"),
    [
        ("me@gmail.com", 500, ""),
        ("me@gmail.com", 501, "lets a consumer account send 500 e-mails"),
        ("me@agency.org", 2000, ""),
        ("me@agency.org", 2001, "lets a Workspace account send 2000 e-mails"),
    ],
)
def test_a_daily_limit_above_that_of_the_account_is_told(
    environment: Environment, tmp_path: Path, address: str, limit: int, told: str
) -> None:
    environment.add_workspace("acme")
    ran = mailbox(environment, tmp_path, address, "readonly", "compose", daily_send_limit=limit)
    assert ran.code == 0
    assert [told in note for note in ran.json["gmail"]["notes"]] == ([True] if told else [])
