"""Rows that members write past the command line: one of them stops no command, of their workspace or another."""

from collections.abc import Callable

import pytest

from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.cli.test_odd_input import faults
from integrations_pipeline_tests.environment import Environment

ACME = ("--workspace", "acme")
COMMANDS: dict[str, tuple[str, ...]] = {
    "list": ("contacts", "list", *ACME),
    "export": ("contacts", "export", *ACME),
    "explain": ("explain", "odd@example.org", *ACME),
    "check": ("connections", "check", *ACME),
    "connections": ("connections", "list", *ACME),
    "plan": ("plan", *ACME, "--provider", "airtable"),
    "sync": ("sync", *ACME, "--provider", "airtable"),
    "verify": ("verify", *ACME, "--provider", "airtable"),
}
#: What stands in the columns of one contact: (column, value in SQL).
CONTACTS = {
    "custom fields that are a number": ("custom_fields", "'5'"),
    "custom fields that are a list": ("custom_fields", "'[1]'"),
    "custom fields that are null": ("custom_fields", "'null'"),
    "a custom field without a name": ("custom_fields", """'{"": "1", "a": "2"}'"""),
    "a custom field that is deep": (
        "custom_fields",
        """cast('{"a": ' || repeat('[', 2000) || repeat(']', 2000) || '}' as jsonb)""",
    ),
    "tags in a square": ("tags", "'{{a,b},{c,d}}'"),
    "tags that are null": ("tags", "'{NULL,a}'"),
    "tags that begin at five": ("tags", "'[5:6]={a,b}'"),
}
SETTINGS = (
    "5",
    "[]",
    "null",
    '"x"',
    '{"base_id": [1]}',
    '{"base_id": 5, "table_id": [1]}',
    '{"settle_seconds": 1e400}',
)


def fine(ran: Ran) -> bool:
    return not faults(ran)


@pytest.fixture
def write(environment: Environment) -> Callable[[str], None]:
    environment.connect(environment.add_workspace("acme", people=2))

    def execute(statement: str) -> None:
        with environment.wiring.database.admin() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))

    return execute


@pytest.mark.parametrize(("column", "value"), CONTACTS.values(), ids=CONTACTS)
def test_an_odd_contact_stops_no_command(column: str, value: str, write: Callable[[str], None]) -> None:
    write(
        f"insert into workspace_contacts (workspace_id, email, {column}) "
        f"select id, 'odd@example.org', {value} from workspaces"
    )
    ran = {name: run(*command) for name, command in COMMANDS.items()}
    assert {name: each.code for name, each in ran.items()} == dict.fromkeys(COMMANDS, 0), ran
    assert "odd@example.org" in ran["export"].out


@pytest.mark.parametrize("settings", SETTINGS)
def test_odd_settings_are_told_and_concern_no_other_workspace(
    settings: str, write: Callable[[str], None], environment: Environment
) -> None:
    environment.connect(environment.add_workspace("other"))
    write(
        f"update integration_connections set settings = '{settings}' where workspace_id = "
        "(select id from workspaces where slug = 'acme')"
    )
    ran = {name: run(*command) for name, command in COMMANDS.items()}
    assert [name for name, each in ran.items() if not fine(each)] == []
    assert ran["sync"].code == 2
    assert "the settings of the airtable connection are wrong" in ran["sync"].err
    assert run("connections", "check", "--workspace", "other").code == 0
    assert run("status", "--json").code == 0
