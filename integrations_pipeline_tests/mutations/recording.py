"""Recordings of the fast suite: kept in `.artifacts`, renewed for the test modules that changed.

Belongs here: what was recorded when, and recording what is missing. Does not: choosing tests by it (`covering`).
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integrations_pipeline_tests.mutations import processes
from integrations_pipeline_tests.mutations.places import PRODUCT, PROJECT
from integrations_pipeline_tests.mutations.recorder import FOLDER

TESTS = "integrations_pipeline_tests"
ARTIFACTS = PROJECT / ".artifacts" / "mutations"
MANIFEST = "manifest.json"
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

    They hold while the product is unchanged: lines move otherwise. A change of what tests share, as of a builder, does
    not make them void: which lines a test reaches seldom depends on it, and only the choice of tests does on them.
    """
    product, modules = _hash_of_product(), _hashes_of_tests()
    kept = _kept(product, modules)
    missing = sorted(modules.keys() - {module for recording in kept for module in recording.modules})
    if missing:
        _record(copy, product, {module: modules[module] for module in missing})
        kept = _kept(product, modules)
    return kept


def _kept(product: str, modules: dict[str, str]) -> list[Recording]:
    kept: list[Recording] = []
    told: set[str] = set()
    for folder in sorted(ARTIFACTS.glob("recording-*"), reverse=True):
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["product"] != product:
            shutil.rmtree(folder)
            continue
        same = {
            module for module in _done(folder, manifest["all"]) if modules.get(module) == manifest["modules"][module]
        }
        if same - told:
            kept.append(Recording(folder, frozenset(same - told)))
            told |= same
    return kept


def _done(folder: Path, is_ended: bool) -> set[str]:
    """The modules that were recorded to their end; if nothing stopped it all of them, also those without fast tests."""
    if is_ended:
        return set(json.loads((folder / MANIFEST).read_text())["modules"])
    return {module for part in folder.glob("seconds.*.json") for module in json.loads(part.read_text())}


def _record(copy: Path, product: str, modules: dict[str, str]) -> None:
    number = len(list(ARTIFACTS.glob("recording-*")))
    folder = ARTIFACTS / f"recording-{number:03}-{time.time_ns()}"
    folder.mkdir(parents=True)
    manifest = {"product": product, "modules": modules, "all": False}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    processes.tell(f"recording which test covers what, in {len(modules)} test modules …\n")
    options = ("-q", "-m", "not slow", "-n", str(WORKERS), "--dist", "loadfile", "-p", f"{TESTS}.mutations.recorder")
    done = processes.python(copy, ("-m", "pytest", *options, *sorted(modules)), {FOLDER: str(folder)})
    if done.returncode not in (0, NO_TESTS_RAN):
        processes.tell(f"{done.stdout[-2000:]}\nthese fail without any mutation; they take no part\n")
    is_ended = done.returncode in (0, FAILED, NO_TESTS_RAN)
    (folder / MANIFEST).write_text(json.dumps(manifest | {"all": is_ended}))


def _hash_of_product() -> str:
    whole = hashlib.sha256()
    for path in sorted((PROJECT / PRODUCT).rglob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


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
