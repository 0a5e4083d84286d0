"""`python -m integrations_pipeline_tests.outsiders [--against imitation|sandbox|both] [NAME…]`: play the stories.

One line for each: HELD, FAULT and why, UNPLAYED (the stage lacks a part), BROKEN (the play itself is wrong). NAME is a
number, as A3, or the beginning of a line's name. Exit code 1 unless all that were played held.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from integrations_pipeline_tests.outsiders.home import Home
from integrations_pipeline_tests.outsiders.imitation import World
from integrations_pipeline_tests.outsiders.play import Story, play_variant
from integrations_pipeline_tests.outsiders.stage import Stage
from integrations_pipeline_tests.outsiders.stage_imitation import ImitationStage
from integrations_pipeline_tests.outsiders.stage_sandbox import SandboxServer
from integrations_pipeline_tests.outsiders.stories import STORIES


def chosen(names: list[str]) -> list[tuple[Story, str]]:
    """What is to be played; all, without names."""
    every = [(told, variant) for told in STORIES.values() for variant in told.variants]
    if not names:
        return every
    return [(told, variant) for told, variant in every if any(_is_named(told, variant, name) for name in names)]


def _is_named(told: Story, variant: str, name: str) -> bool:
    """A whole number, or the beginning of a longer name: A1 is not A10."""
    return name.upper() == told.number or (" " in name and f"{told.number} {variant}".lower().startswith(name.lower()))


@contextmanager
def open_stage(against: str, sandbox: SandboxServer | None) -> Iterator[Stage]:
    """A fresh stage for one telling."""
    if sandbox is not None and against == "sandbox":
        yield sandbox.new_stage()
        return
    with World.open() as world:
        yield ImitationStage(world=world)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="outsiders", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--against", choices=("imitation", "sandbox", "both"), default="imitation")
    parser.add_argument("--sandbox", default="", metavar="URL", help="a sandbox that runs already; it is reset")
    parser.add_argument("--processes", action="store_true", help="a whole process per command instead of a fork")
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    places = ("imitation", "sandbox") if given.against == "both" else (given.against,)
    outcomes: Counter[str] = Counter()
    with (
        Home.open(is_forking=not given.processes) as home,
        SandboxServer.open(given.sandbox, is_needed="sandbox" in places) as sandbox,
    ):
        for place in places:
            for told, variant in chosen(given.names):
                with open_stage(place, sandbox) as stage:
                    verdict = play_variant(home, stage, told, variant)
                outcomes[verdict.outcome] += 1
                print(f"{place:9} {verdict}", flush=True)  # noqa: T201 - this is a script
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))  # noqa: T201 - the same
    return 1 if outcomes["FAULT"] or outcomes["BROKEN"] or not outcomes["HELD"] else 0


if __name__ == "__main__":
    sys.exit(main())
