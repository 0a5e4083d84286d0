"""Every command of the command line with one part of its input replaced by something odd.

Belongs here: how commands are found, what is odd, and command lines of both. Does not: what is asserted of them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import typer
from typer.core import TyperArgument, TyperCommand

from integrations_pipeline.cli import app

#: Nothing, blanks, marks of options, numbers that are none, too long, too large or of other scripts, halves of
#: characters, what terminals, shells, SQL, paths, templates and formulas make of text, ids that are none or nobody's.
VALUES = (
    *("", " ", "-", "--", "--help", "\t\n", "0", "-1", "1.5", "1e309", "nan", "inf", "-inf", "9" * 20, "9" * 5_000),
    *("١٢٣", "１２", "0x10", "1_000", "true", "null", "é" * 300, "a" * 5_000, "\x00", "a\x00b"),
    *("\ud800", "\x1b[2J", "\u202e"),
    *("'; drop table workspaces; --", "%s %(x)s %", "{0} {x}", "$HOME", "..", "../../etc/passwd", "/", "/dev/null"),
    *("/missing/folder/file.csv", "=1+1", "[]", "{}", "a=b=c", "=", "email=", "acme\n", "ACME", "*", "a,b", "a|b"),
    *("00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}", "0" * 32, "deadbeef", "g" * 36),
    *("a@b.org.", "@b", "a@@b.org", "<a@b.org>", "a@[127.0.0.1]", "x@" + "y" * 300, '"a b"@c.org', "a\n@b.org"),
)  # fmt: skip
#: Serve until they are stopped: only tried with what must be refused.
SERVING = ("sandbox", "demo")
#: Nobody is there to answer in a browser; without a side nothing else is looked at.
_ALWAYS = {"connections authorize": ("--no-browser",), "conflicts resolve": ("--keep=local",)}
_REFUSED = ("-1", "-inf", "nan", "9" * 20, "1e309", "x", "", "\ud800")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a valid command line takes: values by parameter name, and for single commands by (command, parameter)."""

    values: Mapping[str, str]
    of_commands: Mapping[tuple[str, str], str]

    def value(self, command: str, parameter: str) -> str:
        return self.of_commands.get((command, parameter), self.values.get(parameter, ""))


def commands() -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    """Every command with the words that lead to it."""
    yield from _below(typer.main.get_command(app), ())


def _below(command: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    below = getattr(command, "commands", None)
    if below is None:
        assert isinstance(command, TyperCommand)
        yield path, command
        return
    for name, each in below.items():
        yield from _below(each, (*path, name))


def odd_lines(path: tuple[str, ...], command: TyperCommand, given: Given, share: int = 1) -> Iterator[list[str]]:
    """Command lines of one command, each with one odd value: of all values one in `share`, differing by parameter."""
    name = " ".join(path)
    takes_values = [each for each in command.params if not getattr(each, "is_flag", False) and each.name]
    for odd in takes_values:
        values = _REFUSED if name in SERVING else VALUES
        first = crc32(f"{name} {odd.name}".encode()) % share
        for value in values[first::share]:
            yield line(path, takes_values, given, {str(odd.name): value})
    if name not in SERVING:
        yield [*path, "--no-such-option"]
        yield [*path, *("extra",) * 9]


def line(path: Sequence[str], parameters: Sequence[object], given: Given, odd: Mapping[str, str]) -> list[str]:
    """Options first, then the arguments, so that one may begin with a dash."""
    options = list(_ALWAYS.get(" ".join(path), ()))
    arguments: list[str] = []
    for each in parameters:
        name = str(getattr(each, "name", ""))
        if name not in odd and not getattr(each, "required", False):
            continue
        value = odd.get(name, given.value(" ".join(path), name))
        if isinstance(each, TyperArgument):
            arguments.append(value)
        else:
            options.append(f"{max(each.opts, key=len)}={value}")  # type: ignore[attr-defined]
    return [*path, *options, "--", *arguments]


def odd_files(folder: Path) -> list[Path]:
    """Files that are none, or nobody would write, with the endings that the commands look at."""
    deep = "[" * 100_000
    lone = '{"email": "a@example.org", "name": "\\ud800", "tags": ["\\ud800"], "custom_fields": {"\\ud800": "\\u0000"}}'
    contents: dict[str, bytes] = {
        "empty": b"",
        "blank": b"\n\n \n",
        "zeros": b"\0" * 5_000,
        "bytes": bytes(range(256)) * 20,
        "half": b"email,name\n\xff\xfe\xfd,\xc3\n",
        "quote": b'email,name\n"a@example.org,x\n',
        "header": b"email,name\n",
        "twice": b"email,email\na@example.org,b@example.org\n",
        "wide": (",".join(f"custom_fields.c{i}" for i in range(3_000)) + "\n" + ",".join("x" * 3_000) + "\n").encode(),
        "long": b"email,name\na@example.org," + b"x" * 2_000_000 + b"\n",
        "deep": deep.encode(),
        "deep-object": ('{"email": ' * 50_000).encode(),
        "deep-field": ('{"email": "a@example.org", "custom_fields": ' + '{"a":' * 900 + "1" + "}" * 901).encode(),
        "lone": lone.encode(),
        "number": b"1" * 10_000,
        "numbers": b'{"email": 5, "name": 1e999, "tags": 3, "custom_fields": 7, "email_opt_out": "perhaps"}',
        "nan": b'{"email": NaN, "name": Infinity, "to_email": NaN, "subject": NaN, "body": -Infinity}',
        "list": b'[{"email": "a@example.org"}]',
        "nested": b'{"email": ["a@example.org"], "name": {"a": 1}, "tags": {"a": 1}, "to_email": [], "api_key": {}}',
        "mark": b"\xff\xfe",
        "mark-32": b"\xff\xfe\x00\x00\x01",
        "mail": b"to_email,subject,body\na@example.org,\x00,\x00\na@example.org,=1,\r\n",
        "times": b"to_email,subject,body,scheduled_at\na@example.org,s,b,9999-12-31T23:59:59-14:00\n"
        b"a@example.org,s,b,0001-01-01T00:00:00+14:00\na@example.org,s,b,2026-W01-1\n",
        "credentials": b'{"api_key": "\\ud800", "access_token": "\\u0000", "token_expires_at": 1e400}',
        "key": b'{"api_key": "x-", "base_id": "..", "table_id": "\\u0000", "list_id": "/", "settle_seconds": 1e400}',
    }  # fmt: skip
    for name, content in contents.items():
        for ending in ("csv", "jsonl", "json"):
            (folder / f"{name}.{ending}").write_bytes(content)
    (folder / "folder.csv").mkdir()
    (folder / "circle.csv").symlink_to(folder / "circle.csv")
    return sorted(folder.iterdir())


def valid_given(folder: Path) -> Given:
    """Valid values for every required parameter of today's commands, with the files that they name."""
    people = folder / "people.csv"
    people.write_text("email,name\nnew@example.org,New\n")
    letters = folder / "letters.csv"
    letters.write_text("to_email,subject,body\nnew@example.org,Hello,Words\n")
    credentials = folder / "credentials.json"
    credentials.write_text(json.dumps({"api_key": "pat0000000000000.x"}))
    nobody = "00000000-0000-0000-0000-000000000001"
    values = {
        "workspace": "acme",
        "provider": "airtable",
        "email": "person0@acme.org",
        "who": "person0@acme.org",
        "file": str(people),
        "credentials": str(credentials),
        "assignments": "phone=1",
        "slug": "other",
        "change_id": nobody,
        "ids": nobody,
        "pitch": nobody,
        "because": "a test",
        "was_sent": "",
    }
    return Given(values=values, of_commands={("pitches import", "file"): str(letters)})
