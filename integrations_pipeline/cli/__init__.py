"""The command `integrations`: one module per noun.

Belongs here: turning errors into one line and an exit code. Does not: which commands there are (`commands`), work.
"""

import atexit
import errno
import gc
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from traceback import format_tb
from typing import NoReturn

import typer

from integrations_pipeline.cli.commands import Root
from integrations_pipeline.cli.output import Exit, VisibleFormatter, exit_code, print_json, warn
from integrations_pipeline.errors import ConfigurationError, IntegrationError, advised
from integrations_pipeline.model import clean_text

_OBJECTS_BEFORE_A_LOOK = 50_000
#: Errors of a stream that cannot be written.
_STREAMS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
#: The workspace of a command as it was given, one argument a line.
_WORKSPACE_GIVEN = re.compile(r"^(?:--workspace(?:\n|=)|-w\n?)([a-z0-9][a-z0-9_-]*)$", re.MULTILINE)
#: What typer makes of Ctrl-C, without a word.
INTERRUPTED = 130

app = typer.Typer(
    name="integrations",
    cls=Root,
    help="Keeps a workspace's contacts the same in Postgres and in the tools its team works in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """The commands are in `commands`; without a callback Typer takes an app without commands for a mistake."""


#: New objects before the youngest generation is collected, and how often that is before the older ones are.
_RARE_COLLECTIONS = (50_000, 20, 20)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 refused by a guard."""
    if arguments is None:
        # A process of our own, which ends soon: the usual thresholds look at all that was imported again and again
        # while records are read, a seventh of a first load.
        gc.set_threshold(*_RARE_COLLECTIONS)
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_json = "--json" in given
    command = typer.main.get_command(app)
    try:
        _require_text(given)
        code = command.main(args=given, prog_name="integrations", standalone_mode=False)
        sys.stdout.flush()
    except IntegrationError as error:
        _fail(_for_workspace(str(error), given), exit_code(error), is_json=is_json)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except OSError as error:
        _fail_to_write(error)
    except Exception as error:  # noqa: BLE001 - a defect of ours: its message may hold somebody's data
        show = getattr(error, "format_message", None)  # what click says of wrong usage
        if show is None:
            _fail(_report(error), Exit.FAILED, is_json=is_json)
        said = show().replace("Got unexpected extra argument", "superfluous argument")
        _fail(f"{said} (`integrations --help` shows the usage)", Exit.USAGE, is_json=is_json)
    if code == INTERRUPTED:
        _fail("stopped; what was acknowledged is kept, the next run finishes the work", Exit.FAILED, is_json=is_json)
    sys.exit(code if isinstance(code, int) else 0)


def _for_workspace(message: str, given: Sequence[str]) -> str:
    told = _WORKSPACE_GIVEN.search("\n".join(given))
    return message if told is None else advised(message, told[1])


def _report(error: BaseException) -> str:
    """What a defect of ours tells: its kind and where it is, never its message."""
    from integrations_pipeline.store.faults import words_of  # noqa: PLC0415 - it knows the database's errors

    where = "".join(format_tb(error.__traceback__)[-1:]).strip()
    return f"{words_of(error)}: please report it\n{where}"


def _fail_to_write(error: OSError) -> NoReturn:
    """A full disk behind stdout, a file size limit, a pipe that nobody reads: the last of them is no fault."""
    if error.errno != errno.EPIPE:
        lines = (f"the output could not be written: {error.strerror}; what was done until then is kept",)
        is_stream = error.errno in _STREAMS and error.filename is None
        _warn_if_possible(*(lines if is_stream else _report(error).split("\n")))
    if sys.stdout is sys.__stdout__:
        # What is still in its buffer would fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(Exit.FAILED)


def _warn_if_possible(*lines: str) -> None:
    with suppress(OSError):
        warn(*(f"error: {line}" for line in lines))


def _require_text(arguments: Sequence[str]) -> None:
    """Bytes that are no text in this terminal's encoding, and zeros, are kept by no database and found by no search."""
    for position, argument in enumerate(arguments, 1):
        if clean_text(argument) != argument:
            raise ConfigurationError(f"argument {position} is no text: it holds bytes that are no UTF-8, or zeros")


def _fail(message: str, code: Exit, *, is_json: bool) -> NoReturn:
    try:
        if is_json:
            print_json({"error": message, "exit_code": int(code)})
            sys.stdout.flush()
    except OSError as error:
        _warn_if_possible(*message.split("\n"))
        _fail_to_write(error)
    _warn_if_possible(*message.split("\n"))
    sys.exit(code)


def entry() -> None:
    """The console script: `main` in a process of its own, with its log on stderr.

    SIGTERM ends a command like Ctrl-C, so that the sync log says so before the process goes.
    """

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    # Imports make many objects and no garbage: looking for some on the way, and once more at the end, when the process
    # gives everything back anyway, costs a fifth of the time of a command that lists.
    gc.set_threshold(_OBJECTS_BEFORE_A_LOOK)
    atexit.register(gc.freeze)
    handler = logging.StreamHandler()
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    signal.signal(signal.SIGTERM, stop)
    main()
