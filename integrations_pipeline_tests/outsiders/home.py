"""The product as a user has it: the command `integrations`, a home with an embedded Postgres, and time that passes.

Belongs here: running commands, plain SQL, ageing. Does not: the services, or what a story expects.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import fastest_directory, reachable_directory

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as the one JSON document that `--json` promises."""
        return json.loads(self.out)

    @property
    def told(self) -> str:
        return f"{self.out}\n{self.err}"


class Home:
    """One INTEGRATIONS_HOME for all stories, since starting its Postgres costs a second."""

    def __init__(self, folder: Path, *, is_forking: bool = True) -> None:
        self.folder = folder
        self._url = ""
        self._zygote = _start_zygote() if is_forking else None

    @classmethod
    @contextmanager
    def open(cls, *, is_forking: bool = True) -> Iterator["Home"]:
        with reachable_directory(fastest_directory()) as folder:
            home = cls(folder, is_forking=is_forking)
            try:
                yield home
            finally:
                home.run(["db", "stop"])
                home.close()

    def close(self) -> None:
        if self._zygote:
            assert self._zygote.stdin is not None
            assert self._zygote.stdout is not None
            self._zygote.stdin.close()
            self._zygote.wait(timeout=patient(30))
            self._zygote.stdout.close()
        shutil.rmtree(self.folder / "home", ignore_errors=True)

    def run(self, arguments: Sequence[str], variables: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
        """One command, as a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTEGRATIONS_", "DAGSTER_"))}
        environment = {
            **kept,
            "INTEGRATIONS_HOME": str(self.folder / "home"),
            # The imitations have no rate limits; the product's own pace would make the stories slow.
            **({"INTEGRATIONS_SANDBOX_RATE_SCALE": "1000"} if variables else {}),
            **(variables or {}),
        }
        given, out, err = (self.folder / name for name in ("stdin", "stdout", "stderr"))
        given.write_text(stdin, encoding="utf-8")
        if self._zygote is None:
            return self._process(arguments, environment, stdin)
        order = {
            "arguments": list(arguments),
            "environment": environment,
            "folder": str(self.folder),
            "stdin": str(given),
            "stdout": str(out),
            "stderr": str(err),
        }
        code = self._order(order)
        return Ran(code, *(path.read_text(encoding="utf-8") for path in (out, err)))

    def _order(self, order: Mapping[str, Any]) -> int:
        assert self._zygote is not None
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        return int(json.loads(self._zygote.stdout.readline())["code"])

    def _process(self, arguments: Sequence[str], environment: Mapping[str, str], stdin: str) -> Ran:
        command = [str(Path(sys.executable).with_name("integrations")), *arguments]
        done = subprocess.run(
            command,
            env=environment,
            input=stdin,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=patient(600),
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @property
    def database_url(self) -> str:
        if not self._url:
            self._url = self.run(["db", "url"]).out.strip()
        return self._url

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """One statement in a transaction of its own, as any program of the workspace's owner may send it."""
        with closing(psycopg2.connect(self.database_url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def age(self, by: timedelta) -> None:
        """Let everything in the database have happened that much earlier; cursors tell times too, as texts."""
        columns = self.sql(
            "select c.table_name, c.column_name from information_schema.columns c join information_schema.tables t "
            "using (table_schema, table_name) where c.table_schema = 'public' and t.table_type = 'BASE TABLE' "
            "and c.data_type = 'timestamp with time zone'"
        )
        with closing(psycopg2.connect(self.database_url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("set local session_replication_role = replica")
            for table, column in columns:
                cursor.execute(f'update "{table}" set "{column}" = "{column}" - %s', (by,))
            cursor.execute("select id, cursor::text from integration_connections where cursor is not null")
            for connection_id, text in cursor.fetchall():
                aged = _TIME.sub(lambda found: _earlier(found.group(), by), text)
                cursor.execute(
                    "update integration_connections set cursor = %s::jsonb where id = %s", (aged, connection_id)
                )


def _earlier(text: str, by: timedelta) -> str:
    """The same form of time, earlier."""
    moved = datetime.fromisoformat(text.replace("Z", "+00:00")) - by
    told = moved.isoformat(sep="T" if "T" in text else " ")
    return told.replace("+00:00", "Z") if text.endswith("Z") else told


def _start_zygote() -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "integrations_pipeline_tests.outsiders.zygote"]
    zygote = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert zygote.stdout is not None
    if not zygote.stdout.readline():
        raise RuntimeError("the program could not be imported")
    return zygote
