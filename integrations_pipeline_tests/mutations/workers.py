"""Runs mutants: two workers, each with a copy of the project, a warm process and a Postgres server of its own.

Belongs here: running and remembering what came of it. Does not: which mutants, and which tests.
"""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import cache_from_source
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from integrations_pipeline_tests.mutations import nursery, processes
from integrations_pipeline_tests.mutations.covering import Chosen
from integrations_pipeline_tests.mutations.places import Mutant, source
from integrations_pipeline_tests.mutations.recording import WORKERS, project_copy
from integrations_pipeline_tests.postgres import LENT, open_server

#: A mutant's limits: for pytest itself, and for each second of processor time that its tests took when recorded. Of
#: real time three times as much: its limit is for what waits for ever, and must not end what a busy machine slows down.
START_SECONDS, TIMES = 180, 30
START_CPU_SECONDS, TIMES_CPU = 60, 10
#: The tests that killed something are run again at the end, unmutated; the limit of that run is made of this.
SECONDS_OF_A_KILLER = 2.0
PASSED = 0
#: pytest could not begin, as when a test is not found.
NOT_RUN = (3, 4, 5)
#: pytest minds that the warm process has imported plugins already, whose asserts are none of ours.
OPTIONS = ("-q", "-rfE", "--tb=no", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning")
MUTATED, UNMUTATED, COLLECTED = ("-x",), (), ("--collect-only",)
#: What starts the server of a test session. A mutant of these is to start one: the worker's own would hide it.
OF_THE_SERVER = ("store/embedded.py", "store/embedded_files.py", "store/migrating.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a mutant. `state`: killed, survived, untested (no fast test covers it), or in doubt."""

    id: str
    state: str
    by: str = ""
    tests: int = 0


class Worker:
    """One copy, one server and one warm process; mutants run in it one after another."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._copy = stack.enter_context(project_copy())
            home = stack.enter_context(open_server()).home
            self._nursery = stack.enter_context(_nursery(self._copy, home))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def judge(self, mutant: Mutant, chosen: Chosen) -> Verdict:
        if not chosen.tests:
            return Verdict(id=mutant.id, state="untested")
        file = self._copy / mutant.place.file
        is_lent = not mutant.place.file.endswith(OF_THE_SERVER)
        found = Verdict(id=mutant.id, state="survived", tests=len(chosen.tests))
        try:
            _write(file, mutant.code)
            for go in chosen.goes():
                code, log = self.run(go, MUTATED, is_lent=is_lent)
                if code != PASSED:
                    found = replace(found, state="killed", by=_killer(code, log))
                    break
        finally:
            _write(file, source(mutant.place.file))
        if found.state == "killed" and code in NOT_RUN and self.run(go, COLLECTED)[0] != PASSED:
            return replace(found, state="in doubt", by="its tests are not found without it either")
        return found

    def failing(self, tests: Sequence[str], seconds: float) -> set[str]:
        """Which of these fail without any mutation, now: what they killed may have died of something else."""
        each_seconds = (seconds / len(tests),) * len(tests) if tests else ()
        return set(_failures(self.run(Chosen(tuple(tests), each_seconds), UNMUTATED)[1])) if tests else set()

    def run(self, chosen: Chosen, options: Sequence[str], *, is_lent: bool = True) -> tuple[int | None, str]:
        """pytest's exit code, None if a limit ended it, and what pytest said."""
        log = self._copy / "pytest.log"
        request = {
            "arguments": [*OPTIONS, *options, *chosen.tests],
            "seconds": START_SECONDS + TIMES * chosen.seconds,
            "cpu_seconds": int(START_CPU_SECONDS + TIMES_CPU * chosen.seconds),
            "log": str(log),
            "environment": {} if is_lent else {LENT: ""},
        }
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps(request) + "\n")
        self._nursery.stdin.flush()
        return json.loads(self._nursery.stdout.readline())["code"], log.read_text(errors="replace")


def _write(file: Path, code: str) -> None:
    """Compiled code is told from old by the second and the length, which a mutation may leave as they were."""
    file.write_text(code)
    Path(cache_from_source(str(file))).unlink(missing_ok=True)


def _killer(code: int | None, log: str) -> str:
    return "a limit of time, or a crash" if code is None else next(iter(_failures(log)), "import")


def _failures(log: str) -> list[str]:
    told = (line.split(" ", 1)[1] for line in log.splitlines() if line.startswith(("FAILED ", "ERROR ")))
    return [test.split(" - ")[0] for test in told]


@contextmanager
def _nursery(copy: Path, home: Path) -> "Iterator[subprocess.Popen[str]]":
    environment = processes.environment(copy, {LENT: str(home)})
    command = [sys.executable, "-P", nursery.__file__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=copy, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class Ledger:
    """Verdicts in a file, a line each, written as they come: a run that was stopped goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        lines = path.read_text().splitlines() if path.exists() else []
        self.verdicts = {told["id"]: Verdict(**told) for told in map(json.loads, lines)}

    def add(self, verdict: Verdict) -> None:
        with self._lock:
            self.verdicts[verdict.id] = verdict
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(verdict)) + "\n")


def run_all(work: Sequence[tuple[Mutant, Chosen]], ledger: Ledger) -> None:
    """Judge every mutant that has no verdict yet."""
    queue: SimpleQueue[tuple[Mutant, Chosen]] = SimpleQueue()
    for each in work:
        queue.put(each)
    with ExitStack() as stack:
        # One after another: Alembic keeps the migration under way in a global.
        opened = [stack.enter_context(Worker()) for _ in range(min(WORKERS, len(work)))]
        pool = stack.enter_context(ThreadPoolExecutor(WORKERS))
        try:
            list(pool.map(lambda worker: _work(worker, queue, ledger), opened))
        finally:
            _drain(queue)  # interrupted: what is under way ends, nothing else begins


def _work(worker: Worker, queue: "SimpleQueue[tuple[Mutant, Chosen]]", ledger: Ledger) -> None:
    killed: dict[str, list[Verdict]] = {}
    for mutant, chosen in _taken(queue):
        found = worker.judge(mutant, chosen)
        ledger.add(found)
        processes.tell(f"{found.state:9} {mutant.place.file}:{mutant.line} {found.by}\n{shown(mutant)}")
        if found.state == "killed" and "::" in found.by:
            killed.setdefault(found.by, []).append(found)
    for test in worker.failing(sorted(killed), SECONDS_OF_A_KILLER * len(killed)):
        for found in killed.get(test, []):
            ledger.add(replace(found, state="in doubt"))


def _taken(queue: "SimpleQueue[tuple[Mutant, Chosen]]") -> Iterator[tuple[Mutant, Chosen]]:
    with contextlib.suppress(Empty):
        while True:
            yield queue.get_nowait()


def _drain(queue: "SimpleQueue[tuple[Mutant, Chosen]]") -> None:
    for _ in _taken(queue):
        pass


def shown(mutant: Mutant) -> str:
    """The change as a diff."""
    before, after = mutant.change
    lines = [f"    - {line}" for line in before.splitlines()] + [f"    + {line}" for line in after.splitlines()]
    return "\n".join(lines) + "\n"
