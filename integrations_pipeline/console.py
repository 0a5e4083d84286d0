"""The console script: what must be so before the program is imported, which takes a while and looks at its streams.

Belongs here: the standard streams, and Ctrl-C while nothing is there yet. Does not: commands (`cli`).
"""

import os
import sys


def entry() -> None:
    """Run the command line of this process."""
    _open_streams()
    try:
        from integrations_pipeline.cli import entry as run  # noqa: PLC0415 - the import is what may be interrupted
    except KeyboardInterrupt:
        sys.exit("error: stopped before anything was done")
    run()


def _open_streams() -> None:
    """Streams that the caller closed lead nowhere: else the next file that is opened would take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good
