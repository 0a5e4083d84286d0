"""Which mutations to run: a random sample spread over the modules, or what a change touched.

Belongs here: choosing. Does not: finding or running them.
"""

import random
import re
import subprocess
from collections.abc import Iterable, Mapping

from integrations_pipeline_tests.mutations.places import PROJECT, Mutant, Place, files, places

HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def sample(count: int, seed: int) -> list[Mutant]:
    """`count` mutants, of a module as many as its share of all places, at least one; the same for the same seed.

    A place is drawn first and then one of its mutations: long calls and texts have many and would crowd out the rest.
    """
    draw = random.Random(seed)
    by_file = {file: found for file in files() if (found := places(file))}
    chosen = [
        place
        for file, share in shares({file: len(found) for file, found in by_file.items()}, count).items()
        for place in draw.sample(by_file[file], share)
    ]
    return _shuffled(draw, [Mutant(place, draw.randrange(place.count)) for place in chosen])


def shares(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` fall to each; whoever has any gets at least one while `count` lasts."""
    total = sum(sizes.values())
    exact = {name: min(size, max(1.0, count * size / total)) for name, size in sizes.items()}
    given = {name: int(share) for name, share in exact.items()}
    by_need = sorted(sizes, key=lambda name: (given[name] - exact[name], -sizes[name], name))
    while sum(given.values()) > count:
        given[max(given, key=lambda name: (given[name] - exact[name], given[name] > 1, -sizes[name]))] -= 1
    for name in by_need * (count // max(len(sizes), 1) + 1):
        if sum(given.values()) >= min(count, total):
            break
        given[name] += given[name] < sizes[name]
    return given


def changed(base: str, most: int, seed: int) -> list[Mutant]:
    """Every mutation of the lines that differ from `base`, also those not yet committed; a sample if above `most`."""
    draw = random.Random(seed)
    touched = {file: lines for file in files() if (lines := changed_lines(file, base))}
    found = [
        Mutant(place, variant)
        for file, lines in touched.items()
        for place in places(file)
        if _touches(place, lines)
        for variant in range(place.count)
    ]
    return _shuffled(draw, found)[:most]


def default_base() -> str:
    """Where this branch left main; on main itself, or without a main, the commit before the last."""
    head = _git("rev-parse", "HEAD")
    fork = _git("merge-base", "main", "HEAD")
    return fork if fork and fork != head else "HEAD~1"


def changed_lines(file: str, base: str) -> set[int]:
    diff = _git("diff", "--unified=0", base, "--", file)
    hunks = [match for line in diff.splitlines() if (match := HUNK.match(line))]
    return {int(match[1]) + offset for match in hunks for offset in range(int(match[2] or 1))}


def _touches(place: Place, lines: set[int]) -> bool:
    return place.lines.start in lines


def _shuffled(draw: random.Random, mutants: Iterable[Mutant]) -> list[Mutant]:
    ordered = list(mutants)
    draw.shuffle(ordered)
    return ordered


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
