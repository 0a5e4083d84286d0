"""docs/python.md: its snippets run as they stand there, and it names everything that the original had.

Belongs here: that page, and its worked example against a real server. Does not: what the API promises beyond it.
"""

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations_pipeline import AirtableSync, BaseIntegrationSync, IntegrationConfig, Integrations, SyncResult
from integrations_pipeline_tests.api.guestbook import Guestbook, open_guestbook
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import DEFAULT_TOKEN

PAGE = (Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```(python|sql)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ME = "me@agency.org"
(EXAMPLE,) = [text for kind, text in SNIPPETS if "class GuestbookSync" in text]
#: What the original's README lists, in its spelling.
ORIGINAL = re.findall(
    r"\w+",
    """getIntegrationName validateCredentials syncToExternal syncFromExternal loadConfig saveConfig ensureValidToken
refreshOAuthToken updateOAuthTokens getWorkspaceContacts getAppContacts logSyncActivity logActivity handleSyncError
createFailedResult initialize getStatus isEnabled getLastSyncAt disable enable ensureInitialized""",
)
TABLES = ("integration_connections", "integration_sync_logs", "integration_activity")


@pytest.fixture
def guestbook() -> Iterator[Guestbook]:
    with open_guestbook() as found:
        yield found


@pytest.fixture
def place(environment: Environment, integrations: Integrations) -> dict[str, str]:
    """What the page leaves to its reader: a workspace with two people, a base, a mailbox. What stands for what."""
    environment.add_workspace("acme")
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            "insert into workspace_contacts (workspace_id, email, name, tags) select id, e, n, '{friends}' "
            "from workspaces, (values ('ann@example.org', 'Ann'), ('bo@example.org', 'Bo')) people(e, n)"
        )
    base = environment.sandbox.airtable.create_base("CRM")
    table = environment.sandbox.airtable.create_contacts_table(base.id)
    environment.sandbox.gmail.create_mailbox(ME)
    tokens = environment.sandbox.oauth.grant("google", account=ME)
    return {
        "your-api-key": DEFAULT_TOKEN,
        "appXXXXXXXXXXXXXX": base.id,
        "tblXXXXXXXXXXXXXX": table.id,
        "ya29.a0AfH6SMBxxx": tokens["access_token"],
        "1//0xxx": tokens["refresh_token"],
    }


def test_every_snippet_runs_in_the_order_of_a_reader(
    environment: Environment, place: dict[str, str], guestbook: Guestbook, capsys: pytest.CaptureFixture[str]
) -> None:
    known: dict[str, Any] = {"guestbook_address": guestbook.address}
    assert len(SNIPPETS) == 7
    first, *others = SNIPPETS
    # The first shows what it is all about; it needs the connection that the second makes.
    for kind, text in [others[0], first, *others[1:]]:
        for stands, what in place.items():
            text = text.replace(stands, what)  # noqa: PLW2901 - the reader's own values
        if kind == "sql":
            with environment.wiring.database.admin() as connection:
                connection.exec_driver_sql(text)
        else:
            exec(compile(text, "docs/python.md", "exec"), known)  # noqa: S102 - what the page says

    told = capsys.readouterr().out.splitlines()
    assert told == ["success [2, 0]", "1 sent, 2 queued", "2 0 active"]
    assert known["result"].success
    assert {tuple(contact["tags"]) for contact in known["contacts"]} == {("friends", "press")}
    assert {page["mail"] for page in guestbook.people.values()} == {"ann@example.org", "bo@example.org"}


def made(integrations: Integrations, environment: Environment, guestbook: Guestbook) -> BaseIntegrationSync:
    """The page's class for a workspace with three people, one of them without e-mail."""
    known: dict[str, Any] = {}
    exec(compile(EXAMPLE, "docs/python.md", "exec"), known)  # noqa: S102 - what the page says
    workspace_id = environment.add_workspace("acme", people=2)
    AirtableSync(workspace_id, integrations).save_workspace_contacts([{"name": "Nobody"}])
    found: BaseIntegrationSync = known["GuestbookSync"](workspace_id, integrations)
    found.save_config({"refresh_token": "first", "settings": {"address": guestbook.address}})
    found.initialize()
    return found


def test_the_worked_example_is_about_sixty_lines() -> None:
    assert 55 <= len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 75


def test_the_worked_example_pushes_fetches_and_logs(
    environment: Environment, integrations: Integrations, guestbook: Guestbook
) -> None:
    sync = made(integrations, environment, guestbook)
    nobody = next(each for each in sync.get_workspace_contacts() if each["email"] is None)

    pushed = sync.sync_to_external(sync.get_workspace_contacts())
    guestbook.people["new"] = {"mail": "zoe@example.org", "name": "Zoë", "labels": ["guest"]}
    guestbook.people["odd"] = {"mail": "nobody", "name": "x", "labels": []}
    fetched = sync.sync_from_external()

    assert sync.validate_credentials()
    assert (pushed.success, pushed.records_created, pushed.records_failed) == (True, 2, 1)
    assert pushed.errors == (f"{nobody['id']}: refused with 422",)
    assert (fetched.records_created, fetched.records_updated, fetched.records_failed) == (1, 0, 1)
    assert fetched.errors == ("number 4: email is no valid address",)
    assert environment.rows("select direction, status from integration_sync_logs order by direction") == [
        ("from_external", "partial"),
        ("to_external", "partial"),
    ]
    assert guestbook.renewals == 1


def test_the_worked_example_refreshes_its_token_and_survives_a_service_that_is_down(
    environment: Environment, integrations: Integrations, guestbook: Guestbook
) -> None:
    sync = made(integrations, environment, guestbook)
    sync.save_config({"token_expires_at": datetime.now(UTC) + timedelta(minutes=4)})

    assert sync.sync_from_external().success
    guestbook.trouble = 503
    failed = [sync.sync_to_external([]) if i % 2 else sync.sync_from_external() for i in range(4)]

    assert guestbook.renewals == 2
    assert failed[0].errors == ("the guestbook answers 503: try again later",)
    assert sync.get_status() == "active"
    guestbook.trouble = 0
    assert sync.sync_from_external().success


def test_the_worked_example_ends_in_error_if_its_authorisation_is_lost(
    environment: Environment, integrations: Integrations, guestbook: Guestbook
) -> None:
    sync = made(integrations, environment, guestbook)
    guestbook.access_tokens, guestbook.refresh_tokens = set(), set()

    assert not sync.validate_credentials()
    assert [sync.sync_from_external().success for _ in range(3)] == [False] * 3

    assert sync.get_status() == "error"


@pytest.mark.parametrize("name", ORIGINAL)
def test_every_method_of_the_original_has_a_row_and_is_there(name: str) -> None:
    ours = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name.replace("OAuth", "Oauth")).lower()

    assert re.search(rf"^\| .*`{name}\(.*`{ours}\(", PAGE, re.MULTILINE)
    assert callable(getattr(AirtableSync, ours))


def test_every_public_method_has_a_row() -> None:
    for kind in (AirtableSync, Integrations):
        public = [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))]
        assert [name for name in public if f"{name}(" not in PAGE] == []
        assert [name for name in public if not (getattr(kind, name).__doc__ or name in _PLAIN)] == []


#: What its name says, or what its subclasses say.
_PLAIN = ("get_integration_name",)


def test_every_field_and_table_of_the_original_is_named() -> None:
    names = [field.name for kind in (SyncResult, IntegrationConfig) for field in fields(kind)]
    tokens = ["access_token", "refresh_token", "token_expires_at", "api_key"]

    assert [name for name in [*names, *tokens, *TABLES] if f"`{name}`" not in PAGE] == []
