"""docs/add-a-provider.md is true: the package that it writes is installed, is found, and keeps every promise."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from integrations_pipeline.providers.base import Capabilities
from integrations_pipeline_tests.patience import patient

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/add-a-provider.md").read_text(encoding="utf-8")
FILE = re.compile(r"^```\w+\n# file: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGE = ROOT / "integrations_pipeline"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, each at its place."""
    folder = tmp_path_factory.mktemp("cards")
    for name, code in FILE.findall(PAGE):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")
    return folder


def started(*arguments: str, path: Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
        cwd=cwd,
    )


@pytest.mark.slow
def test_the_package_of_the_page_is_installed_found_and_passes_the_suite(written: Path, tmp_path: Path) -> None:
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    made = started("-m", "pip", "install", *options, "--target", str(tmp_path), str(written), path=tmp_path)
    assert made.returncode == 0, made.stderr
    asked = "from integrations_pipeline.providers.registry import provider_specs as p; print(p()['cards'].title)"
    assert started("-c", asked, path=tmp_path).stdout == "Cards\n"
    ran = started("-m", "pytest", "-q", "-rs", "-W", "error", "tests", path=tmp_path, cwd=written)
    assert ran.returncode == 0, ran.stdout[-4000:]
    skipped = re.findall(r"not declared that .*", ran.stdout)
    assert sorted(skipped) == [
        "not declared that it is only read (directions)",
        "not declared that its records are people met (tells_new_only)",
        "not declared that records are dated (tells_modified_at)",
    ]


@pytest.mark.slow
def test_its_code_is_as_ours_is(written: Path) -> None:
    options = ("--select", "E,F,W,B,UP,PL,SIM", "--ignore", "PLR2004", "--config", "line-length=120")
    checked = started("-m", "ruff", "check", "--isolated", "--no-cache", *options, str(written), path=written)
    assert checked.returncode == 0, checked.stdout
    formed = started(
        *("-m", "ruff", "format", "--check", "--isolated", "--no-cache", "--config", "line-length=120"),
        *(str(written / name) for name in ("src", "tests")),
        path=written,
    )
    assert formed.returncode == 0, formed.stdout


@pytest.mark.parametrize("name", [each.name for each in fields(Capabilities)])
def test_every_capability_is_read_by_something_and_told_on_the_page(name: str) -> None:
    """The contract itself and the providers that declare it do not count."""
    folders = [PACKAGE / each for each in ("sync", "verify", "cli", "orchestration", "testing", "engine")]
    readers = [path for folder in folders for path in folder.rglob("*.py") if f".{name}" in path.read_text("utf-8")]
    assert readers
    assert f"`{name}`" in PAGE
