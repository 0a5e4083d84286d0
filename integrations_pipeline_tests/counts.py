"""What really happened in the tests that draw their cases: printed at the end of every test run.

A property that never met an update proves nothing about updates. Belongs here: gathering counters. Does not:
the minimum that each test asserts by itself.
"""

from collections import Counter

_GATHERED: dict[tuple[str, int], Counter[str]] = {}


def gather(title: str, seen: Counter[str]) -> None:
    """Remember a counter; the same one may be handed in again while it grows."""
    _GATHERED[title, id(seen)] = seen


def totals() -> dict[str, Counter[str]]:
    """The sums of all counters so far, by title."""
    sums: dict[str, Counter[str]] = {}
    for (title, _), seen in _GATHERED.items():
        sums.setdefault(title, Counter()).update(seen)
    return sums


def lines() -> list[str]:
    """The totals as text, one line per title."""
    return [
        f"{title}: " + ", ".join(f"{count} {name}" for name, count in sorted(seen.items()) if count)
        for title, seen in totals().items()
    ]
