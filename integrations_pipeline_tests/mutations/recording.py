"""Recordings of the fast suite: kept in `.artifacts` beside the product that they saw, renewed for test modules that
changed.

Belongs here: what was recorded when, and recording what is missing. Does not: choosing tests by it (`covering`).
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integrations_pipeline_tests.mutations import processes
from integrations_pipeline_tests.mutations.places import PRODUCT, PROJECT, files
from integrations_pipeline_tests.mutations.recorder import FOLDER

TESTS = "integrations_pipeline_tests"
ARTIFACTS = PROJECT / ".artifacts" / "mutations"
MANIFEST = "manifest.json"
#: A recording's copy of the product, below its folder: by it lines are found again that have moved since.
SEEN = "seen"
WORKERS = 2
FAILED, NO_TESTS_RAN = 1, 5


#: These look at the sandbox, at texts or at this package, and never run the product's own code in this process.
NEVER_DECIDE = ("sandbox/", "mutations/", "celery/", "browser/", "outsiders/")


@dataclass(frozen=True, slots=True)
class Recording:
    """A folder of parts, and the test modules whose tests they still tell the truth about."""

    folder: Path
    modules: frozenset[str]


def current_recordings(copy: Path) -> list[Recording]:
    """Recordings that together cover every test module; what is missing is recorded first, in `copy`.

    Neither a change of the product makes them void, whose lines are found again, nor one of what tests share, as of a
    builder: which lines a test reaches seldom depends on these, and only the choice of tests does on them.
    """
    modules = _hashes_of_tests()
    kept = _kept(modules)
    missing = sorted(modules.keys() - {module for recording in kept for module in recording.modules})
    if missing:
        _record(copy, {module: modules[module] for module in missing})
        kept = _kept(modules)
    return kept


def _kept(modules: Mapping[str, str], folder: Path = ARTIFACTS) -> list[Recording]:
    """The newest recording of each module, where the module is as it was; others are deleted."""
    kept: list[Recording] = []
    told: set[str] = set()
    for each in sorted(folder.glob("recording-*"), key=_age):
        manifest = json.loads((each / MANIFEST).read_text())
        done = _done(each, manifest["all"]) if (each / SEEN).is_dir() else set()
        same = {module for module in done if modules.get(module) == manifest["modules"][module]}
        if same - told:
            kept.append(Recording(each, frozenset(same - told)))
            told |= same
        else:
            shutil.rmtree(each)
    return kept


def _age(folder: Path) -> int:
    """Orders recordings, the newest first, by the time in their names."""
    return -int(folder.name.rpartition("-")[2])


def _done(folder: Path, is_ended: bool) -> set[str]:
    """The modules that were recorded to their end; if nothing stopped it all of them, also those without fast tests."""
    if is_ended:
        return set(json.loads((folder / MANIFEST).read_text())["modules"])
    return {module for part in folder.glob("seconds.*.json") for module in json.loads(part.read_text())}


def _record(copy: Path, modules: dict[str, str]) -> None:
    folder = ARTIFACTS / f"recording-{time.time_ns()}"
    for file in files():
        (folder / SEEN / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(copy / file, folder / SEEN / file)
    manifest = {"modules": modules, "all": False}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    processes.tell(f"recording which test covers what, in {len(modules)} test modules …\n")
    options = ("-q", "-m", "not slow", "-n", str(WORKERS), "--dist", "loadfile", "-p", f"{TESTS}.mutations.recorder")
    done = processes.python(copy, ("-m", "pytest", *options, *sorted(modules)), {FOLDER: str(folder)})
    if done.returncode not in (0, NO_TESTS_RAN):
        processes.tell(f"{done.stdout[-2000:]}\nthese fail without any mutation; they take no part\n")
    is_ended = done.returncode in (0, FAILED, NO_TESTS_RAN)
    (folder / MANIFEST).write_text(json.dumps(manifest | {"all": is_ended}))


def _hashes_of_tests() -> dict[str, str]:
    return {
        str(path.relative_to(PROJECT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((PROJECT / TESTS).rglob("test_*.py"))
        if not str(path.relative_to(PROJECT / TESTS)).startswith(NEVER_DECIDE)
    }


@contextmanager
def project_copy() -> Iterator[Path]:
    """A copy of product and tests that Python imports instead of the project; deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="integrations-mutations-") as folder:
        copy = Path(folder)
        copy_project(copy)
        yield copy


def copy_project(copy: Path) -> None:
    """What git would take: tests read documents too. Raises RuntimeError if Python imports something else."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    told = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, told.split("\0")):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, copy / name)
    _require_import_from(copy)


def _require_import_from(copy: Path) -> None:
    """An editable install must not win over the copy, or every mutation would survive unseen."""
    question = f"import {PRODUCT}.engine as a, {TESTS} as b; print(a.__file__, b.__file__)"
    answer = processes.python(copy, ("-c", question))
    places = [Path(place).resolve() for place in answer.stdout.split()]
    if len(places) != 2 or not all(place.is_relative_to(copy.resolve()) for place in places):
        raise RuntimeError(f"the copy in {copy} is not what Python imports: {answer.stdout} {answer.stderr}")
