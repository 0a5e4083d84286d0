"""What Postgres answered, in words that are fit for people and logs: SQLSTATE, and the server's line without data.

Belongs here: reading the driver's errors. Does not: deciding what follows from them (`database`, the callers).

The server's first line names tables, columns and constraints; its DETAIL quotes rows and is never shown. In data
exceptions (class 22) the first line quotes the value itself, and what a function of another application raises may
hold anything, whatever SQLSTATE it gives.
"""

import re

from sqlalchemy.exc import DBAPIError

#: SQLSTATE classes whose first line is written by Postgres and quotes no value:
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_WITHOUT_DATA = frozenset(
    {
        "08",
        "0A",
        "0L",
        "0P",
        "21",
        "23",
        "25",
        "26",
        "28",
        "2B",
        "3D",
        "3F",
        "40",
        "42",
        "44",
        "53",
        "54",
        "55",
        "57",
        "58",
    }
)
#: A data exception: its value stands in quotes or behind a colon.
_WITH_VALUES = "22"
_VALUE = re.compile(r'".*"|\'.*\'|: .*', re.DOTALL)
LONGEST_LINE = 200
#: Where the server was when somebody's PL/pgSQL said `raise`: the words are that function's, not the server's.
_RAISE = "exec_stmt_raise"
#: Where it was called, in whatever language: a block of our migrations, or a function of ours.
_OURS = re.compile(r"\binline_code_block\b|\bintegrations_\w+\(")
#: How the driver begins: the message that it ends up in names the place already.
_ADDRESS = re.compile(r"^connection to server (at|on socket) .*? failed: ")


def sqlstate(error: BaseException) -> str:
    """The five characters of the server's error; "" if it is none of the server's."""
    return str(getattr(getattr(error, "orig", None), "pgcode", None) or "")


def first_line(error: DBAPIError) -> str:
    """The server's first line where it holds no data, without quoted values where it may hold some, else ""."""
    diagnosis = getattr(error.orig, "diag", None)
    where = str(getattr(diagnosis, "context", None) or "").split("\n", 1)[0]
    if getattr(diagnosis, "source_function", None) == _RAISE and not _OURS.search(where):
        return ""
    primary = getattr(diagnosis, "message_primary", None)
    lines = str(primary or error.orig or "").strip().splitlines()
    line, state = lines[0] if lines else "", sqlstate(error)
    if state[:2] == _WITH_VALUES:
        line = " ".join(_VALUE.sub(" …", line).split())
    elif state and state[:2] not in _WITHOUT_DATA:
        return ""
    return line[:LONGEST_LINE]


def said(error: DBAPIError) -> str:
    """SQLSTATE and the server's line; what the driver says where no server answered."""
    state, line = sqlstate(error), first_line(error)
    if not state:
        return _ADDRESS.sub("", line) or type(error.orig).__name__
    return f"SQLSTATE {state}: {line}" if line else f"SQLSTATE {state}"


def words_of(error: BaseException) -> str:
    """One line about an error that nobody foresaw: of a database error what the server says, else its type."""
    if isinstance(error, DBAPIError):
        return f"the database refused a statement ({said(error)})"
    return f"unexpected {type(error).__name__}"
