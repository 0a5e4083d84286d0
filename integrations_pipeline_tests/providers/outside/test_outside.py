"""A provider in a package outside: its commands, assets, job and sensor are there, and nothing of ours was edited."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.patience import patient

pytestmark = pytest.mark.slow

_METADATA = "Metadata-Version: 2.1\nName: notebook-provider\nVersion: 1.0\n"
_DAGSTER = """
from integrations_pipeline.definitions import defs
keys = sorted(key.to_user_string() for key in defs.resolve_all_asset_keys())
print([key for key in keys if key.startswith("notebook/")])
print(sorted(job.name for job in defs.resolve_all_job_defs() if "notebook" in job.name))
print(sorted(sensor.name for sensor in defs.sensors if "notebook" in sensor.name))
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder like site-packages, with a package that offers a provider and one that is broken."""
    folder = tmp_path / "site"
    written = Path(__file__).with_name("notebook.py").read_text(encoding="utf-8")
    for name, code in (("notebook", written), ("torn", "import nowhere_at_all\n")):
        info = folder / f"{name}_provider-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}_provider.py").write_text(code, encoding="utf-8")
        (info / "METADATA").write_text(_METADATA.replace("notebook", name))
        offer = f"[integrations_pipeline.providers]\n{name} = {name}_provider:PROVIDER\n"
        (info / "entry_points.txt").write_text(offer)
    return folder


def started(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(packages), str(root)])}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )


def command(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return started(packages, "-c", "from integrations_pipeline.cli import entry; entry()", *arguments)


def test_it_syncs_by_the_command_line(environment: Environment, packages: Path, tmp_path: Path) -> None:
    environment.add_workspace("acme", people=2)
    notebook, settings, credentials = (tmp_path / name for name in ("book.json", "settings.json", "token.json"))
    notebook.write_text(json.dumps([{"id": "page1", "fields": {"email": "zoe@example.org", "name": "Zoë"}}]))
    settings.write_text(json.dumps({"path": str(notebook)}))
    credentials.write_text(json.dumps({"token": "any"}))
    files = (f"--credentials={credentials}", f"--settings={settings}")

    added = command(packages, "connections", "add", "notebook", "-w", "acme", *files)
    checked = command(packages, "connections", "check", "-w", "acme")
    synced = command(packages, "sync", "-w", "acme", "-p", "notebook", "--json")

    assert [added.returncode, checked.returncode, synced.returncode] == [0, 0, 0], added.stderr + synced.stderr
    assert "provider 'torn' of torn-provider cannot be loaded (ModuleNotFoundError) and is left out" in added.stderr
    made = {each["direction"]: each["records_created"] for each in json.loads(synced.stdout)["results"]}
    assert made == {"to_external": 2, "from_external": 1}
    assert {row["fields"]["email"] for row in json.loads(notebook.read_text())} == {
        "zoe@example.org",
        "person0@acme.org",
        "person1@acme.org",
    }


@pytest.mark.usefixtures("environment")
def test_it_is_in_dagster(packages: Path) -> None:
    ran = started(packages, "-c", _DAGSTER)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assets, jobs, sensors = ran.stdout.splitlines()[-3:]
    assert assets == str(
        [f"notebook/{part}" for part in ("connections", "contacts", "from_external", "plan", "to_external")]
    )
    assert (jobs, sensors) == ("['notebook_sync_job']", "['notebook_due']")
