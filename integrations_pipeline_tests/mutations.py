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
class Mutation:
    """`old`, which stands exactly once in `file` of the product, becomes `new`; then `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        name="merge: an unchanged side counts as the changed one",
        file="engine/merge.py",
        old="    if is_same(remote, base, rule.kind):\n",
        new="    if is_same(local, base, rule.kind):\n",
        tests=("engine/test_merge.py::test_the_field_table",),
    ),
    Mutation(
        name="merge: a removed tag comes back",
        file="engine/merge.py",
        old="join_set(member for key, member in spelled.items() if key not in removed)",
        new="join_set(member for key, member in spelled.items() if key in spelled)",
        tests=("engine/test_merge.py::test_tags_merge_as_sets",),
    ),
    Mutation(
        name="merge: the wrong side wins a conflict",
        file="engine/merge.py",
        old="    if policy is ConflictPolicy.REMOTE_WINS:\n",
        new="    if policy is ConflictPolicy.LOCAL_WINS:\n",
        tests=("engine/test_merge.py::test_who_wins_a_conflict",),
    ),
    Mutation(
        name="plan: a delete beats an edit",
        file="engine/pairs.py",
        old="    if is_edited(rules, pair.base, seen, gone):\n",
        new="    if False:\n",
        tests=("engine/test_plan.py::test_an_edit_that_beats_a_delete_is_recorded_and_written_whole",),
    ),
    Mutation(
        name="diff: absence from an incremental read is a delete",
        file="engine/diff.py",
        old="    if snapshot.is_complete:\n        return at < 0\n",
        new="    if True:\n        return at < 0\n",
        tests=("engine/test_diff.py::test_only_a_complete_read_or_a_tombstone_tells_that_a_record_is_gone",),
    ),
    Mutation(
        name="diff: tombstones are ignored",
        file="engine/diff.py",
        old="    if not snapshot.tombstones:\n",
        new="    if True:\n",
        tests=("engine/test_diff.py::test_only_a_complete_read_or_a_tombstone_tells_that_a_record_is_gone",),
    ),
    Mutation(
        name="match: of several with one e-mail any one is taken",
        file="engine/match.py",
        old="    counts = Counter(key for key in keys.values() if key)\n",
        new="    counts = Counter({key for key in keys.values() if key})\n",
        tests=("engine/test_match.py::test_a_shared_identity_key_pairs_only_where_it_is_unique",),
    ),
    Mutation(
        name="guards: no number of deletes is too many",
        file="engine/guards.py",
        old="    if total > allowed:\n",
        new="    if total > allowed + 1_000_000:\n",
        tests=("engine/test_guards.py::test_a_guard_lets_all_deletes_of_a_side_pass_or_none",),
    ),
    Mutation(
        name="guards: an emptied side is believed",
        file="engine/guards.py",
        old="    if policy.linked_count and (",
        new="    if False and (",
        tests=("engine/test_guards.py::test_a_delete_of_every_linked_contact_is_not_believed",),
    ),
    Mutation(
        name="store: an update overwrites an edit made meanwhile",
        file="store/contacts.py",
        old="        and (p.version is null or c.version = p.version)\n"
        '    returning c.id::text, c.version\n    """  # noqa',
        new='    returning c.id::text, c.version\n    """  # noqa',
        tests=("sync/test_races.py::test_a_local_edit_just_before_a_local_write_is_not_overwritten",),
    ),
    Mutation(
        name="store: a delete ignores an edit made meanwhile",
        file="store/contacts.py",
        old="        and (p.version is null or c.version = p.version)\n"
        '    returning c.id::text, c.version\n    """\n)\n_REVIVE',
        new='    returning c.id::text, c.version\n    """\n)\n_REVIVE',
        tests=("sync/test_races.py::test_a_local_edit_just_before_a_local_delete_saves_the_contact",),
    ),
    Mutation(
        name="store: a pause of another process is forgotten",
        file="store/pace.py",
        old="        next_free_at = greatest(r.next_free_at, clock_timestamp()) + ",
        new="        next_free_at = clock_timestamp() + ",
        tests=("sync/test_tenancy.py::test_a_pause_of_one_process_holds_back_the_others_and_ends_without_a_burst",),
    ),
    Mutation(
        name="acknowledge: the base advances before the provider has answered",
        file="sync/acknowledge.py",
        old="        journal.record_states(connection, rows)\n\n    def note_version",
        new="        journal.record_states(connection, rows)\n"
        "        early = [change for change in changes if change.kind is ChangeKind.UPDATE]\n"
        "        done = ChangeState.APPLIED\n"
        "        self._advance(connection, [Outcome(change=change, state=done) for change in early])\n\n"
        "    def note_version",
        tests=("sync/test_mutants.py::test_an_update_that_was_never_sent_is_not_agreed",),
    ),
    Mutation(
        name="acknowledge: requests leave without an intent",
        file="sync/acknowledge.py",
        old="        journal.record_states(connection, rows)\n\n    def note_version",
        new="        rows.clear()\n\n    def note_version",
        tests=("sync/test_mutants.py::test_every_change_is_intended_before_its_request_leaves",),
    ),
    Mutation(
        name="acknowledge: a contact counts as settled though a change of it failed",
        file="sync/acknowledge.py",
        old="        if outcome.state is not ChangeState.APPLIED:\n            self._blocked",
        new="        if outcome.state is ChangeState.HELD:\n            self._blocked",
        tests=("sync/test_mutants.py::test_a_contact_with_a_failed_change_counts_as_changed_though_another_was_made",),
    ),
    Mutation(
        name="extract: an incremental read passes for a complete one",
        file="sync/extract.py",
        old="            is_complete=remote.is_complete,\n            tombstones=frozenset(remote.tombstones)",
        new="            is_complete=True,\n            tombstones=frozenset(remote.tombstones)",
        tests=("sync/test_reading.py::test_our_own_writes_cost_the_next_run_nothing",),
    ),
    Mutation(
        name="extract: what a complete read lacks is not asked for again",
        file="sync/extract.py",
        old="        read_again(run, remote, missing)\n",
        new="        missing.clear()\n",
        tests=("sync/test_deletes.py::test_a_page_cut_short_is_found_out_and_deletes_nothing",),
    ),
    Mutation(
        name="extract: held deletes are believed without asking again",
        file="sync/extract.py",
        old="    read_again(run, remote, [*unknown, *sorted(held - remote.records.keys())])\n",
        new="    remote.tombstones |= held - remote.records.keys()\n    read_again(run, remote, unknown)\n",
        tests=("sync/test_deletes.py::test_a_hold_clears_itself_by_incremental_runs_too",),
    ),
    Mutation(
        name="extract: reads older than our own writes are believed",
        file="sync/extract.py",
        old="        writes = journal.recent_remote_writes(connection, run.connection.id, window)\n",
        new="        writes = journal.recent_remote_writes(connection, run.connection.id, 0 * window)\n",
        tests=(
            "sync/test_stale_reads.py::test_a_value_just_written_is_not_undone",
            "sync/test_stale_reads.py::test_a_record_just_made_is_neither_made_again_nor_believed_deleted",
            "sync/test_stale_reads.py::test_a_record_just_deleted_does_not_come_back",
        ),
    ),
    Mutation(
        name="stale: records that looked stale are not read again",
        file="sync/stale.py",
        old="        suspects |= {external_id} if is_stale else set()\n",
        new="        suspects -= {external_id} if is_stale else set()\n",
        tests=("sync/test_stale_reads.py::test_a_person_who_undid_our_write_is_believed_once_the_window_is_over",),
    ),
    Mutation(
        name="deliver: nothing is read again before it is written",
        file="sync/deliver.py",
        old="{id(change) for change in known} - {id(c) for c in _still_true(run, known, ledger)}",
        new="set()",
        tests=("sync/test_races.py::test_a_remote_edit_of_the_same_field_is_never_lost_in_silence",),
    ),
    Mutation(
        name="run: the cursor is saved although the run fails later",
        file="sync/run.py",
        old="            book.note_read(",
        new="            with run.session.begin() as connection:\n"
        "                connections.save_cursor(connection, run.connection.id, extracted.cursor)\n"
        "            book.note_read(",
        tests=("sync/test_mutants.py::test_what_a_failed_run_read_is_read_again_by_the_next",),
    ),
    Mutation(
        name="checkpoint: the list of records to read again is dropped",
        file="sync/checkpoint.py",
        old='"retry": sorted(retry)}',
        new='"retry": []}',
        tests=("sync/test_races.py::test_a_remote_edit_of_the_same_field_is_never_lost_in_silence",),
    ),
    Mutation(
        name="http: a request that must not be repeated is sent again",
        file="providers/http.py",
        old="isinstance(error, RetryableError) and not isinstance(error, InDoubtError)",
        new="isinstance(error, RetryableError)",
        tests=(
            "sync/test_lost_answers.py::test_a_nameless_create_whose_answer_is_lost_makes_no_duplicate_without_key",
        ),
    ),
    Mutation(
        name="airtable: one bad record takes its whole batch with it",
        file="providers/airtable/writer.py",
        old="        if len(batch) == 1:\n            return [refused(batch[0], error)]\n",
        new="        if batch:\n            return [refused(change, error) for change in batch]\n",
        tests=("sync/test_failures.py::test_one_poison_record_of_25_fails_alone",),
    ),
    Mutation(
        name="airtable: creates are not keyed, so a second one makes a second record",
        file="providers/airtable/writer.py",
        old="        return self.key is not None and not comes_back and not change.is_key_taken\n",
        new="        return False\n",
        tests=("providers/airtable/test_conformance.py",),
    ),
)


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
    options = ("-q", f"--junitxml={report}", f"--timeout={TEST_SECONDS}", f"--maxfail={MOST_FAILURES}")
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
