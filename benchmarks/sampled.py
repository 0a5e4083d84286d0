"""Runs a module's `main` and counts, every millisecond of CPU, in which function it is.

Run as `python -m benchmarks.sampled FILE MODULE ARGUMENT…`; writes to FILE, as JSON, how often each stack was met: its
frames as `module:function`, innermost first. A signal interrupts the main thread only, which is enough: a full read has
no other. Belongs here: that. Does not: what the stacks mean (`parts`).
"""

import importlib
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

_INTERVAL_SECONDS = 0.001


def main() -> None:
    target = Path(sys.argv.pop(1))
    module = sys.argv.pop(1)
    met: Counter[tuple[str, ...]] = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(f"{frame.f_globals.get('__name__', '')}:{frame.f_code.co_name}")
            frame = frame.f_back
        met[tuple(stack)] += 1

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL_SECONDS, _INTERVAL_SECONDS)
    try:
        importlib.import_module(module).main()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        stacks = [[count, *stack] for stack, count in met.items()]
        target.write_text(json.dumps({"seconds": time.process_time(), "stacks": stacks}))


if __name__ == "__main__":
    main()
