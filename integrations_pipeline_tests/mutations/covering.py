"""Which tests to run for a mutant: those that cover it, the most telling, nearest and fastest first.

Belongs here: reading recordings and choosing tests. Does not: recording.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from operator import itemgetter
from pathlib import Path, PurePath

from coverage import CoverageData

from integrations_pipeline_tests.mutations.places import PRODUCT, PROJECT, Place, files, source
from integrations_pipeline_tests.mutations.recorder import NO_TEST, module_of
from integrations_pipeline_tests.mutations.recording import SEEN, TESTS, Recording

#: What one mutant may take: tests, and the seconds they took when they were recorded; how many of them of the nearest
#: modules, and how many because they reach the mutated name or an end of the function that no other reaches.
MOST_TESTS, MOST_SECONDS, MOST_NEAR, MOST_FIRST = 250, 30.0, 80, 40
#: Most mutants die of one of the first tests; the modules of the others are not imported before these have passed.
FIRST_TESTS, FIRST_SECONDS = 16, 3.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tests for one mutant, in the order to run them, and the seconds each took unmutated."""

    tests: tuple[str, ...]
    each_seconds: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return sum(self.each_seconds)

    def goes(self) -> "tuple[Chosen, ...]":
        """The first few, then the rest."""
        ends = [sum(self.each_seconds[: at + 1]) for at in range(min(len(self.tests), FIRST_TESTS))]
        first = max(1, sum(end <= FIRST_SECONDS for end in ends))
        parts = (slice(None, first), slice(first, None))
        return tuple(Chosen(self.tests[part], self.each_seconds[part]) for part in parts if self.tests[part])


@dataclass(slots=True)
class Covering:
    """Tests by the lines they cover, and their seconds. Only tests that passed are in it."""

    seconds: dict[str, float] = field(default_factory=dict)
    by_line: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))

    def tests(self, place: Place) -> Chosen:
        """The tests that cover the mutated lines, up to the limits; for the head of a function those of its body.

        Lines outside of functions run at import, for whichever test came first: they belong to none. There those tests
        count that cover a line with the constant's name in it, and those of modules that import the file, as a
        comparison of declared tables with the migrations, which uses it whole and runs none of its lines; else all of
        the file's, or of its folder's.
        """
        importers = self._importers(place.file)
        near = {_mirror(place.file), *importers}
        if place.function:
            found = self._at(place.file, place.lines) or self._at(place.file, place.function) or self._at_files(place)
            return self._within_limits(self._ordered(found, near, self._line_by_line(place, found, near)))
        named = self._at_name(place)
        theirs = {test for test in self.seconds if module_of(test) in importers}
        found = theirs | (named or self._at_files(place))
        return self._within_limits(self._ordered(found, near, named))

    def _line_by_line(self, place: Place, tests: Set[str], near: Set[str]) -> set[str]:
        """For each line of the function one of the tests, near and fast: many reach a condition, few each of its
        ends."""
        lines = (self._at(place.file, (line,)) & tests for line in place.function or ())
        return {
            min(found, key=lambda test: (module_of(test) not in near, self.seconds[test], test))
            for found in lines
            if found
        }

    def _at(self, file: str, lines: Iterable[int]) -> set[str]:
        return set().union(*(self.by_line.get((file, line), ()) for line in lines))

    def _at_name(self, place: Place) -> set[str]:
        if place.name is None:
            return set()
        word = re.compile(rf"\b{re.escape(place.name)}\b")
        return set().union(
            *(
                self.by_line.get((file, number), ())
                for file in files()
                for number, line in enumerate(source(file).splitlines(), 1)
                if word.search(line)
            )
        )

    def _at_files(self, place: Place) -> set[str]:
        """Tests of the file; of its folder if it only declares something."""
        folder = PurePath(place.file).parent
        of_file = self._at_whole(place.file)
        return of_file or set().union(*(self._at_whole(file) for file in files() if PurePath(file).parent == folder))

    def _importers(self, file: str) -> set[str]:
        """The test modules that name this file in an import."""
        path = PurePath(file).with_suffix("")
        package, dotted = ".".join(path.parent.parts), ".".join(path.parts)
        says = re.compile(
            rf"^from {re.escape(dotted)} import |^from {re.escape(package)} import .*\b{path.name}\b", re.M
        )
        return {module for module in set(map(module_of, self.seconds)) if says.search(_text(module))}

    def _at_whole(self, file: str) -> set[str]:
        return self._at(file, range(1, len(source(file).splitlines()) + 1))

    def _ordered(self, tests: Iterable[str], near: Set[str], first: Set[str]) -> list[str]:
        """These first, then those of the nearest modules, then one of each other module, a second of each, and so on;
        always the fastest row of each test function before its others: a long table leaves room."""
        fastest = sorted(tests, key=lambda test: (self.seconds[test], test))
        chosen = _in_turns([test for test in fastest if test in first], _function_of)[:MOST_FIRST]
        rest = _in_turns([test for test in fastest if test not in chosen], _function_of)
        nearest = [test for test in rest if module_of(test) in near][:MOST_NEAR]
        return chosen + nearest + _in_turns([test for test in rest if module_of(test) not in near], module_of)

    def _within_limits(self, tests: Sequence[str]) -> Chosen:
        chosen: list[str] = []
        total = 0.0
        for test in tests:
            if len(chosen) < MOST_TESTS and (not chosen or total + self.seconds[test] <= MOST_SECONDS):
                chosen.append(test)
                total += self.seconds[test]
        return Chosen(tuple(chosen), tuple(self.seconds[test] for test in chosen))


def read(recordings: Iterable[Recording]) -> Covering:
    covering = Covering()
    for recording in recordings:
        for part in sorted(recording.folder.glob("seconds.*.json")):
            told = json.loads(part.read_text())
            for module in told.keys() & recording.modules:
                covering.seconds |= told[module]
        for part in sorted(recording.folder.glob("coverage.*")):
            _add_lines(covering, part, recording)
    return covering


def _add_lines(covering: Covering, part: Path, recording: Recording) -> None:
    data = CoverageData(str(part))
    data.read()
    mutated = files()
    for measured in data.measured_files():
        file = _below_project(measured)
        if file not in mutated or not (recording.folder / SEEN / file).is_file():
            continue
        now = moved((recording.folder / SEEN / file).read_text().splitlines(), source(file).splitlines())
        for line, tests in data.contexts_by_lineno(measured).items():
            known = {test for test in tests if test != NO_TEST and module_of(test) in recording.modules}
            for each in now.get(line, ()):
                covering.by_line[file, each] |= known & covering.seconds.keys()


def moved(before: Sequence[str], now: Sequence[str]) -> dict[int, set[int]]:
    """Where each line is now. What is new belongs to what it replaced, else to what it stands behind: whoever reached
    that will most likely reach it."""
    found: dict[int, set[int]] = defaultdict(set)
    for kind, first, end, now_first, now_end in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if kind == "equal":
            for offset in range(end - first):
                found[first + offset + 1].add(now_first + offset + 1)
            continue
        for line in range(first + 1, end + 1) or (first,):
            found[line] |= set(range(now_first + 1, now_end + 1))
    return found


@cache
def _text(module: str) -> str:
    return (PROJECT / module).read_text() if (PROJECT / module).is_file() else ""


def _in_turns(tests: Iterable[str], group_of: Callable[[str], str]) -> list[str]:
    """The first of each group, then the second of each, else in the order they have."""
    turns: Counter[str] = Counter()
    found = []
    for test in tests:
        turns[group_of(test)] += 1
        found.append((turns[group_of(test)], test))
    return [test for _, test in sorted(found, key=itemgetter(0))]


def _function_of(test: str) -> str:
    """A test without its row of a table."""
    return test.split("[", maxsplit=1)[0]


def _mirror(file: str) -> str:
    """The test module of a file, by its name."""
    return str(PurePath(TESTS, *PurePath(file).parts[1:]).with_name(f"test_{PurePath(file).name}"))


def _below_project(measured: str) -> str:
    """The product's folder may stand in the path before the copy as well: the last one counts, if the file is there."""
    parts = PurePath(measured).parts
    starts = [at for at, part in enumerate(parts) if part == PRODUCT]
    found = str(PurePath(*parts[starts[-1] :])) if starts else ""
    return found if (PROJECT / found).is_file() else ""
