"""The streams and the folder of the console script, as shells, cron and full disks hand them out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from integrations_pipeline_tests.environment import Environment

COMMAND = f"{sys.executable} -c 'from integrations_pipeline.console import entry; entry()'"


def shell(line: str, environment: Environment, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A line of the shell, in which `$C` is the command."""
    given = {**os.environ, **environment.variables, "PYTHONUNBUFFERED": "", **variables}
    line = line.replace("$C", COMMAND)
    return subprocess.run(["bash", "-c", line], env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["workspaces list", "workspaces list --json", "--help", "nonsense --json"])
@pytest.mark.parametrize("buffers", ["", "1"], ids=["buffered", "unbuffered"])
def test_output_that_cannot_be_written_is_told_in_one_line(
    command: str, buffers: str, environment: Environment
) -> None:
    environment.add_workspace("acme")
    ran = shell(f"$C {command} >/dev/full", environment, PYTHONUNBUFFERED=buffers)
    told = "error: the output could not be written: No space left on device; what was done until then is kept\n"
    assert (ran.returncode, ran.stderr.endswith(told), "Traceback" in ran.stderr) == (1, True, False)


@pytest.mark.parametrize("command", ["workspaces list", "workspaces list --json", "nonsense --json"])
def test_a_reader_that_goes_away_is_told_nothing(command: str, environment: Environment) -> None:
    environment.add_workspace("acme")
    ran = shell(f"($C {command}; echo $? >&2) | true", environment)
    assert "rror" not in ran.stderr.replace("error: No such command", "")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_lead_nowhere(closed: str, environment: Environment) -> None:
    environment.add_workspace("acme")
    assert shell(f"$C workspaces list {closed}", environment).returncode == 0
    assert environment.rows("select slug from workspaces") == [("acme",)], "nothing was written into the database's"


def test_a_folder_that_is_gone_is_told(environment: Environment, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    ran = shell(f"cd {gone}; rmdir {gone}; unset INTEGRATIONS_HOME INTEGRATIONS_DATABASE_URL; $C status", environment)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: INTEGRATIONS_HOME: the current folder is gone, so there is no .integrations")


def test_an_interrupt_while_the_program_is_imported_is_told_in_one_line() -> None:
    code = (
        "import builtins, integrations_pipeline.console as console\n"
        "real = builtins.__import__\n"
        "def stopped(name, *rest, **named):\n"
        "    if name == 'integrations_pipeline.cli':\n"
        "        raise KeyboardInterrupt\n"
        "    return real(name, *rest, **named)\n"
        "builtins.__import__ = stopped\n"
        "console.entry()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], env={**os.environ}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "error: stopped before anything was done\n")
