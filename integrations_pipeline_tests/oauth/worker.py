"""A process of its own that uses one connection's tokens, for tests that start several and kill some.

Told what to do by JSON lines on stdin, it answers with JSON lines on stdout. Belongs here: what runs in the other
process. Does not: starting it (`processes`).
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.store import connections, workspaces
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import Runtime, token_source
from integrations_pipeline.wiring import Wiring, read_settings


class Deadly(httpx.HTTPTransport):
    """The network; the process is killed as soon as new tokens have arrived, before anybody has read them."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.read()
        if request.url.path.endswith("/token") and response.is_success:
            os.kill(os.getpid(), signal.SIGKILL)
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Whose tokens, and how many `threads` use them at once. `dies`: see `Deadly`."""

    slug: str
    provider: str = "airtable"
    threads: int = 1
    dies: bool = False


def work(job: Job, runtime: Runtime, row: ConnectionRow) -> None:
    ahead = timedelta()
    runtime = replace(runtime, clock=lambda: datetime.now(UTC) + ahead)
    if job.dies:
        runtime = replace(runtime, transport=Deadly(trust_env=False))

    def keeper() -> Any:
        return token_source(runtime, row, row.decrypted(runtime.cipher))

    #: A keeper that all callers share, and one for each of them.
    shared, own = keeper(), [keeper() for _ in range(job.threads)]
    say("ready")
    with ThreadPoolExecutor(job.threads) as pool:
        for line in sys.stdin:
            told = json.loads(line)
            ahead = timedelta(seconds=told.get("ahead", 0.0))
            match told["do"]:
                case "current":
                    callers = own if told.get("has_own_keepers") else [shared] * job.threads
                    say([each.result() for each in [pool.submit(answer, c.current) for c in callers]])
                case "sync":
                    say(answer(lambda: run_sync(runtime, SyncRequest(workspace=job.slug, provider=job.provider)).error))


def answer(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": ask()}
    except IntegrationError as error:
        return {"error": type(error).__name__, "text": str(error)}


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    wiring = Wiring(read_settings())
    try:
        runtime = wiring.runtime
        with runtime.database.admin() as connection:
            workspace_id = workspaces.find_workspace(connection, job.slug).id
        with runtime.database.workspace(workspace_id) as connection:
            row = connections.find_connection(connection, workspace_id, job.provider)
        work(job, runtime, row)
    finally:
        wiring.close()


if __name__ == "__main__":
    main()
