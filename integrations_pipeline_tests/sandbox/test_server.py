"""The server starts, stops and leaves nothing behind."""

import ast
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

import integrations_sandbox
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import NO_TLS, client_for, hardly_waiting
from integrations_sandbox import FaultRule, SandboxOptions, SandboxServer, WireError

PACKAGE = Path(integrations_sandbox.__file__).parent


def test_a_server_gets_a_free_port_and_gives_it_back() -> None:
    before = set(threading.enumerate())
    with SandboxServer() as server:
        port = int(server.url.rpartition(":")[2])
        assert server.airtable_url == f"http://127.0.0.1:{port}/airtable"
        server.start()
        with client_for(server) as client:
            assert client.get("/sandbox/health").json()["status"] == "ok"
    assert set(threading.enumerate()) <= before
    with socket.create_server(("127.0.0.1", port)):
        pass
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


def test_two_servers_know_nothing_of_each_other() -> None:
    with SandboxServer() as first, SandboxServer() as second:
        base = first.airtable.create_base("B")
        assert second.airtable.find_base(base.id) is None
        assert first.url != second.url


def test_a_taken_port_is_an_error() -> None:
    with SandboxServer() as first:
        port = int(first.url.rpartition(":")[2])
        second = SandboxServer(SandboxOptions(port=port))
        with pytest.raises(OSError, match=r"[Aa]ddress"):
            second.start()
        second.stop()


def test_only_loopback_is_served() -> None:
    with SandboxServer() as server:
        assert server.url.startswith("http://127.0.0.1:")


def test_a_server_stops_at_once_although_an_answer_is_held_back(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with SandboxServer() as server:
        server.airtable.add_fault(FaultRule(action="delay", seconds=60))
        with client_for(server) as client, pytest.raises(httpx.ReadTimeout):
            client.get("/v0/meta/whoami", timeout=hardly_waiting())
    assert set(threading.enumerate()) <= before
    assert not caplog.records


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_serve_runs_until_it_is_told_to_stop(number: signal.Signals) -> None:
    program = (
        "from integrations_sandbox import SandboxOptions, serve\n"
        "serve(SandboxOptions(), announce=lambda url: print(url, flush=True))"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/sandbox/health", verify=NO_TLS, trust_env=False).status_code == 200
        process.send_signal(number)
        # The exit code says which signal, unless the parent had it ignored, as background jobs do.
        assert process.wait(timeout=patient(10)) in (0, -number, 128 + number, 1)


def test_the_same_seed_gives_the_same_identifiers() -> None:
    def first_base(seed: int) -> str:
        return SandboxServer(SandboxOptions(seed=seed)).airtable.create_base("B").id

    assert first_base(1) == first_base(1) != first_base(2)


def test_many_clients_at_once_see_one_consistent_table() -> None:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        base = server.airtable.create_base("B")
        server.airtable.create_contacts_table(base.id)

        def work(worker: int) -> None:
            with client_for(server) as client:
                for number in range(10):
                    fields = {"Name": f"{worker}-{number}"}
                    client.post(f"/v0/{base.id}/Contacts", json={"fields": fields}).raise_for_status()

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        records = server.airtable.records(base.id, "Contacts")
    names = {record["fields"]["Name"] for record in records}
    assert names == {f"{worker}-{number}" for worker in range(8) for number in range(10)}
    assert len(records) == 80


def test_helpers_raise_what_the_api_would_have_answered() -> None:
    airtable = SandboxServer().airtable
    base = airtable.create_base("B")
    airtable.create_contacts_table(base.id)
    with pytest.raises(WireError) as caught:
        airtable.create_records(base.id, "Contacts", [{"Nobody": 1}])
    assert (caught.value.status, caught.value.body["error"]["type"]) == (422, "UNKNOWN_FIELD_NAME")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_sandbox_imports_nothing_of_the_rest_of_the_package(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not [name for name in names if name.startswith("integrations_pipeline")]
