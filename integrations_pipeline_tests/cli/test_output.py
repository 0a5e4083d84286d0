"""What people see of names that were made to be seen otherwise."""

import ast
import io
import json
import logging
from pathlib import Path

import pytest

from integrations_pipeline import cli
from integrations_pipeline.cli.output import VisibleFormatter, print_file, print_json, print_table, say, visible, warn
from integrations_pipeline_tests.cli.run import run

#: Sets the title, clears the screen, in eight bits, turns the writing, goes back over what was said, a line of its own.
HOSTILE = "A\x1b]0;owned\x07\x1b[2J\x9b2J\u202egnp.exe\u2066\r\b\x7f\nerror: pay\u2028x\x85y\ud800z"
SEEN = r"A\x1b]0;owned\x07\x1b[2J\x9b2J\u202egnp.exe\u2066\x0d\x08\x7f\x0aerror: pay\u2028x\x85y\ud800z"


def is_clean(text: str) -> bool:
    return all(visible(line) == line for line in text.split("\n"))


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    assert visible(HOSTILE) == SEEN
    assert visible("Ädä 👩‍💻 \u00a0 e\u0301 日本") == "Ädä 👩‍💻 \u00a0 e\u0301 日本"


def test_lines_and_tables_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE, "second")
    warn(HOSTILE)
    print_table(HOSTILE, ["name"], [[HOSTILE], [None], [True]])
    out, err = capsys.readouterr()
    assert out.startswith(f"{SEEN}\nsecond\n")
    assert err == f"{SEEN}\n"
    assert out.count(SEEN) == 3
    assert is_clean(out + err)


def test_json_says_the_same_and_shows_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": HOSTILE, HOSTILE: [HOSTILE]})
    out = capsys.readouterr().out
    assert is_clean(out)
    assert json.loads(out) == {"name": HOSTILE, HOSTILE: [HOSTILE]}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_is_untouched_for_programs_and_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, expected in ((io.StringIO(), "a\x1bb\nc\n"), (Terminal(), "a\\x1bb\nc\n")):
        monkeypatch.setattr("sys.stdout", stream)
        print_file("a\x1bb\nc\n")
        assert stream.getvalue() == expected


def test_log_lines_show_it_too() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "of %s", ("a\x1b[2Jb",), None)
    assert VisibleFormatter("%(message)s").format(record) == r"of a\x1b[2Jb"


@pytest.mark.usefixtures("environment")
def test_workspaces_contacts_and_wrong_arguments_are_shown(tmp_path: Path) -> None:
    hostile = HOSTILE.replace("\ud800", "")
    people = tmp_path / "people.jsonl"
    people.write_text(json.dumps({"email": "a@example.org", "name": hostile, "tags": [hostile]}) + "\n")
    ran = [
        run("workspaces", "add", "acme", "--name", hostile),
        run("contacts", "import", str(people), "-w", "acme"),
        run("workspaces", "list"),
        run("workspaces", "list", "--json"),
        run("contacts", "list", "-w", "acme"),
        run("contacts", "list", "-w", "acme", "--json"),
        run("sync", "-w", hostile, "-p", hostile),
        run("connections", "list", "-w", hostile),
        run("contacts", "import", str(tmp_path / f"{hostile[:9]}.csv"), "-w", "acme"),
        run(hostile),
        run("status", f"--{hostile}", "--json"),
    ]
    assert [index for index, each in enumerate(ran) if not is_clean(each.out + each.err)] == []
    assert [each.code for each in ran] == [0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2]
    assert r"\x1b[2J" in ran[2].out + ran[4].out


def test_only_one_module_of_the_command_line_writes_to_a_stream() -> None:
    writing = {"print", "echo", "secho", "write"}
    found = []
    for file in Path(cli.__file__ or "").parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or file.name == "output.py":
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            told = ast.unparse(node.func)
            if name in writing and not told.startswith(("self.wfile", "target", "file")):
                found.append(f"{file.name}: {told}")
    assert found == []
