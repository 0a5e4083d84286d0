"""Which tests to run for a mutant: those that cover it, nearest and fastest first.

Belongs here: reading recordings and choosing tests. Does not: recording.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from coverage import CoverageData

from integrations_pipeline_tests.mutations.places import PRODUCT, PROJECT, Place, files, source
from integrations_pipeline_tests.mutations.recorder import NO_TEST, module_of
from integrations_pipeline_tests.mutations.recording import TESTS, Recording

#: What one mutant may take: tests, and the seconds they took when they were recorded; how many of them of one module.
MOST_TESTS, MOST_SECONDS, MOST_NEAR = 150, 20.0, 80
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
        """The tests that cover the mutated lines, up to the limits.

        Lines that run at import belong to no test. For a constant of a module or class those tests count that cover
        a line with its name in it; for the head of a function those that cover its body; else of the file or folder.
        """
        lines = self._at(place.file, place.lines)
        covering = lines or self._at_function(place) or self._at_name(place) or self._at_files(place)
        return self._within_limits(self._ordered(place.file, covering))

    def _at(self, file: str, lines: Iterable[int]) -> set[str]:
        return set().union(*(self.by_line.get((file, line), ()) for line in lines))

    def _at_function(self, place: Place) -> set[str]:
        return self._at(place.file, place.function) if place.function else set()

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
        """Tests of the file; if it only declares something, of test modules that import it, else of its folder."""
        folder = PurePath(place.file).parent
        return (
            self._at_whole(place.file)
            or self._of_importers(place.file)
            or set().union(*(self._at_whole(file) for file in files() if PurePath(file).parent == folder))
        )

    def _of_importers(self, file: str) -> set[str]:
        """A comparison of declared tables with the migrations, say: it uses the file whole, and none of its lines."""
        path = PurePath(file).with_suffix("")
        package, dotted = ".".join(path.parent.parts), ".".join(path.parts)
        says = re.compile(
            rf"^from {re.escape(dotted)} import |^from {re.escape(package)} import .*\b{path.name}\b", re.M
        )
        texts = {module: PROJECT / module for module in map(module_of, self.seconds)}
        importers = {name for name, path in texts.items() if path.is_file() and says.search(path.read_text())}
        return {test for test in self.seconds if module_of(test) in importers}

    def _at_whole(self, file: str) -> set[str]:
        return self._at(file, range(1, len(source(file).splitlines()) + 1))

    def _ordered(self, file: str, tests: Iterable[str]) -> list[str]:
        """The module that mirrors the file, then each other module's fastest, then each one's second, and so on: a long
        table of one module leaves room for the others."""
        mirrored = str(PurePath(TESTS, *PurePath(file).parts[1:]).with_name(f"test_{PurePath(file).name}"))
        modules: dict[str, list[str]] = defaultdict(list)
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            modules[module_of(test)].append(test)
        near = modules.pop(mirrored, [])[:MOST_NEAR]
        turns = [(turn, self.seconds[test], test) for found in modules.values() for turn, test in enumerate(found)]
        return near + [test for _, _, test in sorted(turns)]

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
            _add_lines(covering, part)
    return covering


def _add_lines(covering: Covering, part: Path) -> None:
    data = CoverageData(str(part))
    data.read()
    mutated = files()
    for measured in data.measured_files():
        file = _below_project(measured)
        if file not in mutated:
            continue
        for line, tests in data.contexts_by_lineno(measured).items():
            covering.by_line[file, line] |= {test for test in tests if test != NO_TEST and test in covering.seconds}


def _below_project(measured: str) -> str:
    """The product's folder may stand in the path before the copy as well: the last one counts, if the file is there."""
    parts = PurePath(measured).parts
    starts = [at for at, part in enumerate(parts) if part == PRODUCT]
    found = str(PurePath(*parts[starts[-1] :])) if starts else ""
    return found if (PROJECT / found).is_file() else ""
