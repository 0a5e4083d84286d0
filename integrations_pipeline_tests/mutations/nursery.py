"""A process that has imported what the project needs, but nothing that is mutated, and forks for each mutant.

`python -P nursery.py`, with the copy on PYTHONPATH and as the working directory. It reads a request per line (JSON:
`arguments` of pytest, `seconds`, `cpu_seconds`, `log`, `environment`) and answers with a line each: pytest's exit code,
or None if a limit ended it. The fork imports the mutated product afresh, so that constants and classes are mutated too.
Knows no other module of this package, since whatever it imported would be old in its forks.
"""

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback

#: Only saves time: what is missing here is imported by each fork. The sandbox is none of the product and never mutated.
IMPORTED_ONCE = (
    *("pandas", "pyarrow.compute", "sqlalchemy.dialects.postgresql", "psycopg2", "alembic.command", "httpx"),
    *("pydantic", "typer", "rich.table", "cryptography.hazmat.primitives.ciphers.aead", "email_validator", "tenacity"),
    *("starlette.applications", "uvicorn", "pytest", "xml.etree.ElementTree", "anyio._backends._asyncio"),
    *("hypothesis", "hypothesis.strategies", "hypothesis.internal.conjecture.engine", "hypothesis.database"),
    *("integrations_sandbox.server", "integrations_sandbox.airtable", "integrations_sandbox.mailchimp"),
    *("integrations_sandbox.gmail", "integrations_sandbox.hubspot", "integrations_sandbox.people"),
)
POLL_SECONDS = 0.02


def main() -> None:
    for name in IMPORTED_ONCE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        answer = {"code": run(json.loads(line))}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def run(request: dict[str, object]) -> int | None:
    child = os.fork()
    if child == 0:
        be_tested(request)
    status = wait(child, time.monotonic() + float(str(request["seconds"])))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # whatever the tests left running
    if status is None:
        os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None


def wait(child: int, until: float) -> int | None:
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(POLL_SECONDS)
    return None


def be_tested(request: dict[str, object]) -> None:
    """Never returns. A mutant that loops is ended by the limit of its processor time, however busy the machine is."""
    code = 3
    try:
        os.setsid()
        limit = int(str(request["cpu_seconds"]))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        import pytest  # noqa: PLC0415 - imported by the parent, if it could be

        arguments, environment = request["arguments"], request["environment"]
        assert isinstance(arguments, list)
        assert isinstance(environment, dict)
        os.environ.update(environment)
        code = int(pytest.main(arguments))
    except BaseException:  # noqa: BLE001 - a fork never goes on as its parent; what went wrong stands in its log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
