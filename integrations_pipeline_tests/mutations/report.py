"""What became of the mutants, by group and module, and which mutations are known to change nothing.

Belongs here: telling. Does not: running.
"""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from integrations_pipeline_tests.mutations.places import PRODUCT, Mutant, files
from integrations_pipeline_tests.mutations.workers import Verdict, shown

STATES = ("killed", "survived", "untested", "in doubt", "equivalent")
#: A hole, if a mutant is in one of these.
OPEN = ("survived", "untested", "in doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """A mutation that no test is to notice."""

    file: str
    old: str
    new: str
    reason: str

    def is_of(self, mutant: Mutant) -> bool:
        return self.file == mutant.place.file and (self.old, self.new) == mutant.change


def equivalents() -> tuple[Equivalent, ...]:
    """What `equivalents.toml` lists."""
    told = tomllib.loads(Path(__file__).with_name("equivalents.toml").read_text()).get("equivalent", [])
    return tuple(Equivalent(**each) for each in told)


def states(
    mutants: Sequence[Mutant], verdicts: Mapping[str, Verdict], known: Sequence[Equivalent]
) -> dict[Mutant, str]:
    """The state of every mutant that has one."""
    found = {mutant: verdicts[mutant.id].state for mutant in mutants if mutant.id in verdicts}
    return found | {mutant: "equivalent" for mutant in mutants if any(each.is_of(mutant) for each in known)}


def report(found: Mapping[Mutant, str]) -> str:
    """What is open, then a table by group and module."""
    gaps = [
        f"{state}: {mutant.place.file}:{mutant.line}\n{shown(mutant)}"
        for mutant, state in found.items()
        if state in OPEN
    ]
    return "".join(gaps) + "\n" + _table(found)


def _table(found: Mapping[Mutant, str]) -> str:
    groups = files()
    counts: dict[str, Counter[str]] = {}
    for mutant, state in found.items():
        group = groups[mutant.place.file]
        for name in (group, f"{group}: {mutant.place.file.removeprefix(f'{PRODUCT}/')}", "~ all"):
            counts.setdefault(name, Counter())[state] += 1
    head = f"{'':50}" + "".join(f"{state:>11}" for state in STATES)
    rows = [f"{name:50}" + "".join(f"{counts[name][state]:11}" for state in STATES) for name in sorted(counts)]
    return "\n".join([head, *rows]) + "\n"
