"""`python -m integrations_pipeline_tests.mutations [NAME …]`: break the product on purpose; a test must notice.

Each mutation undoes one promise of docs/guarantees.md in a copy of the project, never in the project itself,
and the tests named beside it run there. Exit code 1 if one survives, or if its old text is no longer there.
Belongs here: the mutations and running them. Does not: tests.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integrations_pipeline_tests.mutants import MUTATIONS, Mutation
from integrations_pipeline_tests.patience import patient

PROJECT = Path(__file__).resolve().parent.parent
PRODUCT, TESTS = "integrations_pipeline", "integrations_pipeline_tests"
COPIED = (PRODUCT, TESTS, "pyproject.toml", "setup.cfg")
WORKERS = min(2, os.cpu_count() or 1)
#: A mutant that hangs is noticed as well; the slowest named test takes a few seconds.
TEST_SECONDS = 30
#: Enough to be sure; the rest would say the same.
MOST_FAILURES = 3
FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a mutation: the tests that failed, or why there is no answer."""

    mutation: Mutation
    caught_by: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def is_caught(self) -> bool:
        return bool(self.caught_by) and not self.trouble

    def __str__(self) -> str:
        return self.trouble or "\n    ".join(self.caught_by) or "SURVIVED"


def main(names: Sequence[str]) -> int:
    """Run the mutations whose name holds one of `names`, or all; the exit code."""
    started_at = time.monotonic()
    chosen = [each for each in MUTATIONS if not names or any(name in each.name for name in names)]
    with tempfile.TemporaryDirectory(prefix="integrations-mutations-") as folder:
        failing = broken_tests(Path(folder), chosen)
        if failing:
            _tell(f"without any mutation these fail or cannot be run:\n  {failing}\n")
            return FAILED
        with ThreadPoolExecutor(WORKERS) as pool:
            verdicts = list(pool.map(lambda each: _judge_and_tell(Path(folder), each), chosen))
    missed = [verdict for verdict in verdicts if not verdict.is_caught]
    took = time.monotonic() - started_at
    _tell(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} mutations caught in {took:.0f} s\n")
    for verdict in missed:
        _tell(f"  not caught: {verdict.mutation.name}: {verdict}\n")
    return FAILED if missed or not verdicts else 0


def broken_tests(folder: Path, chosen: Sequence[Mutation]) -> str:
    """Which of the tests do not pass in a copy that nothing was done to: what they catch would mean nothing."""
    tests = sorted({test for mutation in chosen for test in mutation.tests})
    with project_copy(folder) as copy:
        try:
            return "\n  ".join(run_tests(copy, tests)) if tests else ""
        except BrokenRunError as error:
            return str(error)


def judge(folder: Path, mutation: Mutation) -> Verdict:
    with project_copy(folder) as copy:
        file = copy / PRODUCT / mutation.file
        source = file.read_text()
        if source.count(mutation.old) != 1:
            return Verdict(
                mutation=mutation,
                trouble=f"STALE: {mutation.file} holds its old text {source.count(mutation.old)} times, not once",
            )
        file.write_text(source.replace(mutation.old, mutation.new))
        try:
            compile(file.read_text(), mutation.file, "exec")
            return Verdict(mutation=mutation, caught_by=tuple(run_tests(copy, mutation.tests)))
        except (SyntaxError, BrokenRunError) as error:
            return Verdict(mutation=mutation, trouble=f"BROKEN: {error}")


def _judge_and_tell(folder: Path, mutation: Mutation) -> Verdict:
    verdict = judge(folder, mutation)
    _tell(f"{mutation.name}\n    {verdict}\n")
    return verdict


class BrokenRunError(Exception):
    """The tests did not run at all, which says nothing about the mutation."""


@contextmanager
def project_copy(folder: Path) -> Iterator[Path]:
    """A copy of package and tests that Python imports instead of the project."""
    copy = Path(tempfile.mkdtemp(dir=folder))
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    _require_import_from(copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def _require_import_from(copy: Path) -> None:
    """An editable install must not win over the copy, or every mutation would survive unseen."""
    question = f"import {PRODUCT}.engine as a, {TESTS} as b; print(a.__file__, b.__file__)"
    answer = _python(copy, "-c", question)
    places = [Path(place).resolve() for place in answer.stdout.split()]
    if len(places) != 2 or not all(place.is_relative_to(copy.resolve()) for place in places):
        raise RuntimeError(f"the copy in {copy} is not what Python imports: {answer.stdout} {answer.stderr}")


def run_tests(copy: Path, tests: Sequence[str]) -> list[str]:
    """The failing ones among these tests (paths below the tests' folder); raises BrokenRunError if none ran."""
    report = copy / "report.xml"
    targets = [f"{TESTS}/{test}" for test in tests]
    options = ("-q", f"--junitxml={report}", f"--timeout={patient(TEST_SECONDS)}", f"--maxfail={MOST_FAILURES}")
    done = _python(copy, "-m", "pytest", *options, *targets)
    if done.returncode not in (0, FAILED) or not report.exists():
        said = f"{done.stdout}\n{done.stderr}".splitlines()
        wrong = [line.replace(f"{copy}/", "") for line in said if line.startswith("ERROR")]
        raise BrokenRunError("; ".join(wrong) or f"pytest ended with {done.returncode}: {done.stderr[-300:]}")
    # The report is our own child's, written a moment ago.
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314
    if not cases:
        raise BrokenRunError("no test ran")
    return [_shown(case) for case in cases if case.find("failure") is not None or case.find("error") is not None]


def _shown(case: ET.Element) -> str:
    module = case.get("classname", "").removeprefix(f"{TESTS}.").replace(".", "/")
    return f"{module}::{case.get('name')}"


def _python(copy: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )


def _tell(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
