"""The commands that docs/operations.md tells people to run about what waits run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.cli.waiting_rows import Place, place
from integrations_pipeline_tests.environment import Environment

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
SECTIONS = ("What waits for a person", "Held changes", "Conflicts", "Left out", "Failed records")
COMMAND = re.compile(r"`(integrations [^`]*)`")


def commands() -> list[str]:
    """Every whole command of these sections; a name alone is none."""
    texts = [PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0] for title in SECTIONS]
    assert all(texts)
    return sorted({" ".join(each.split()) for text in texts for each in COMMAND.findall(text)})


@pytest.fixture
def ids(environment: Environment) -> dict[str, str]:
    """Something of each kind, in two fields, and a conflict that is over; ids by the command's first word."""
    acme: Place = place(environment, people=3)
    sync = ("sync", "-w", "acme", "-p", "airtable")
    run(*sync)
    record = next(
        each
        for each in environment.sandbox.airtable.records(acme.base_id, acme.table_id)
        if each["fields"]["Email"] == "person0@acme.org"
    )
    environment.sandbox.airtable.update_record(acme.base_id, acme.table_id, record["id"], Name="There")
    run("contacts", "update", "person0@acme.org", "-w", "acme", "--set", "name=Here")
    run(*sync)
    run_id = run("logs", "--json").json[0]["run_id"]
    acme.conflict(1, "phone")
    acme.clear(1, "phone")
    return {
        "run": str(run_id),
        "holds": acme.clear(0, run_id=run_id),
        "conflicts": acme.conflict(2),
        "failures": acme.ask("refused", side="remote", contact_id=acme.contact_id(1), change="update"),
        "restore": run("conflicts", "list", "--all", "--json").json[-1]["id"],
    }


def test_there_are_commands_to_run() -> None:
    found = commands()
    assert len(found) >= 12
    assert {each.split()[1] for each in found} == {"inbox", "holds", "conflicts", "failures"}


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_runbook_runs(command: str, ids: dict[str, str]) -> None:
    key = "restore" if " restore " in command else command.split()[1]
    names = {"ID": ids.get(key, ""), "W": "acme", "RUN": ids["run"], "EMAIL": "person0@acme.org"}
    _, *arguments = (names.get(part, part) for part in shlex.split(command))
    ran = run(*arguments)
    assert (ran.code, ran.err) == (0, "")
