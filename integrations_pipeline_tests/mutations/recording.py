"""Recordings of the fast suite: kept in `.artifacts`, renewed for the test modules that changed.

Belongs here: what was recorded when, and recording what is missing. Does not: choosing tests by it (`covering`).
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
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
NO_TESTS_RAN = 5


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
        kept.append(_record(copy, product, {module: modules[module] for module in missing}))
    return kept


def _kept(product: str, modules: dict[str, str]) -> list[Recording]:
    kept: list[Recording] = []
    told: set[str] = set()
    for folder in sorted(ARTIFACTS.glob("recording-*"), reverse=True):
        manifest = json.loads((folder / MANIFEST).read_text())
        same = {module for module, digest in manifest["modules"].items() if modules.get(module) == digest}
        if manifest["product"] != product:
            shutil.rmtree(folder)
        elif same - told:
            kept.append(Recording(folder, frozenset(same - told)))
            told |= same
    return kept


def _record(copy: Path, product: str, modules: dict[str, str]) -> Recording:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ARTIFACTS, prefix="unfinished-"))
    processes.tell(f"recording which test covers what, in {len(modules)} test modules …\n")
    options = ("-q", "-m", "not slow", "-n", str(WORKERS), "--dist", "loadfile", "-p", f"{TESTS}.mutations.recorder")
    done = processes.python(copy, ("-m", "pytest", *options, *sorted(modules)), {FOLDER: str(folder)})
    if done.returncode not in (0, NO_TESTS_RAN):
        processes.tell(f"{done.stdout[-2000:]}\nthese fail without any mutation; they take no part\n")
    (folder / MANIFEST).write_text(json.dumps({"product": product, "modules": modules}))
    final = ARTIFACTS / f"recording-{len(list(ARTIFACTS.glob('recording-*'))):03}-{folder.name[-8:]}"
    folder.rename(final)
    return Recording(final, frozenset(modules))


def _hash_of_product() -> str:
    whole = hashlib.sha256()
    for path in sorted((PROJECT / PRODUCT).rglob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _hashes_of_tests() -> dict[str, str]:
    return {
        str(path.relative_to(PROJECT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((PROJECT / TESTS).rglob("test_*.py"))
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
