"""The door for providers of other packages: the example is installed beside us, and does all that ours do."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.patience import patient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/provider_google_sheets"
_DAGSTER = """
from integrations_pipeline.definitions import defs
keys = sorted(key.to_user_string() for key in defs.resolve_all_asset_keys())
print([key for key in keys if key.startswith("google_sheets/")])
print(sorted(job.name for job in defs.resolve_all_job_defs() if "google_sheets" in job.name))
print(sorted(sensor.name for sensor in defs.sensors if "google_sheets" in sensor.name))
"""
_COMMANDS = """
import io, json, sys
from contextlib import redirect_stdout
from integrations_pipeline.cli import main
said = []
for line in json.loads(sys.argv[1]):
    out = io.StringIO()
    try:
        with redirect_stdout(out):
            main(line)
    except SystemExit as ended:
        if ended.code:
            sys.exit(ended.code)
    said.append(out.getvalue())
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like site-packages with the example alone; nothing is fetched, and nothing left in the source."""
    source, target = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    ran = started(target, "-m", "pip", "install", *options, "--target", str(target), str(source))
    assert ran.returncode == 0, ran.stderr
    return target


def started(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=_environment(site),
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
        cwd=ROOT,
    )


def commands(site: Path, *lines: tuple[str, ...]) -> list[str]:
    """What each command of the workspace printed; in one process, since most of a command is its start."""
    ran = started(site, "-c", _COMMANDS, json.dumps([[*line, "-w", "acme"] for line in lines]))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return list(json.loads(ran.stdout.splitlines()[-1]))


def _environment(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}


@dataclass(frozen=True)
class Sheet:
    """The emulator's sheet, as somebody else uses it through Google's API."""

    address: str
    token: str

    def rows(self) -> list[list[str]]:
        return [[str(cell) for cell in row] for row in self._ask("GET", "values/Contacts").get("values", [])]

    def put(self, rows: list[list[str]]) -> None:
        """Cells from the second row on, as a person who types, or sorts."""
        body = {"valueInputOption": "USER_ENTERED", "data": [{"range": "Contacts!A2", "values": rows}]}
        self._ask("POST", "values:batchUpdate", body)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        address = f"{self.address}/v4/spreadsheets/book1/{path}"
        return httpx.request(method, address, json=body, headers={"Authorization": f"Bearer {self.token}"}).json()


@pytest.fixture
def sheet(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sheet]:
    server = subprocess.Popen(
        [sys.executable, "-m", "google_sheets_sandbox.server"],
        env=_environment(installed),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    words = server.stdout.readline().split()
    monkeypatch.setenv("INTEGRATIONS_GOOGLE_SHEETS_API_URL", words[0])
    yield Sheet(words[0], words[-1])
    server.kill()
    server.wait()
    server.stdout.close()


def test_it_syncs_by_the_command_line_through_a_sort(
    environment: Environment, installed: Path, sheet: Sheet, tmp_path: Path
) -> None:
    environment.add_workspace("acme", people=2)
    settings, credentials = tmp_path / "settings.json", tmp_path / "token.json"
    settings.write_text(json.dumps({"spreadsheet_id": "book1"}))
    credentials.write_text(json.dumps({"access_token": sheet.token}))
    sheet.put([["Zoë", "zoe@example.org"]])

    files = (f"--credentials={credentials}", f"--settings={settings}")
    adding, syncing = ("connections", "add", "google_sheets", *files), ("sync", "-p", "google_sheets", "--json")
    _, checked, synced = commands(installed, adding, ("connections", "check"), syncing)
    made = {each["direction"]: each["records_created"] for each in json.loads(synced)["results"]}
    assert checked == "google_sheets: note: rows without a key: 1; a sync writes one into each\ngoogle_sheets: ready\n"
    assert made == {"to_external": 2, "from_external": 1}

    header, *rows = sheet.rows()
    rows = sorted([[*row, *[""] * (len(header) - len(row))] for row in rows], reverse=True)
    edited = next(row for row in rows if row[1] == "person0@acme.org")
    edited[3] = "Edited GmbH"
    sheet.put(rows)
    asking = ("connections", "columns", "-p", "google_sheets", "--json")
    _, _, proposed = commands(installed, syncing, ("verify", "-p", "google_sheets"), asking)
    held = environment.rows("select email, company from workspace_contacts where company is not null and company <> ''")
    assert held == [("person0@acme.org", "Edited GmbH")]
    assert json.loads(proposed)["field_mapping"]["email"] == "Email"


@pytest.mark.usefixtures("environment")
def test_it_is_in_dagster(installed: Path) -> None:
    ran = started(installed, "-c", _DAGSTER)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assets, jobs, sensors = ran.stdout.splitlines()[-3:]
    parts = ("connections", "contacts", "from_external", "plan", "to_external")
    assert assets == str([f"google_sheets/{part}" for part in parts])
    assert (jobs, sensors) == ("['google_sheets_sync_job']", "['google_sheets_due']")


def test_it_keeps_what_every_provider_must_keep_as_it_is_installed(installed: Path) -> None:
    """Its own tests, the conformance suite among them, on the installed package."""
    ran = started(
        installed, "-m", "pytest", "-q", "-o", "pythonpath=", "--rootdir", str(EXAMPLE), str(EXAMPLE / "tests")
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert "passed" in ran.stdout
    assert "failed" not in ran.stdout


def test_nothing_of_ours_knows_it() -> None:
    packages = [ROOT / name for name in ("integrations_pipeline", "integrations_sandbox")]
    texts = {path: path.read_text(encoding="utf-8").lower() for each in packages for path in each.rglob("*.py")}
    assert [str(path) for path, text in texts.items() if "google_sheets" in text or "google sheets" in text] == []
