"""How many files a reader has to open to follow a run: counted in a real one, and printed (`-s`).

The limits are what it is now, with little to spare: whoever adds a file to every run notices. They are to go down.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import integrations_pipeline
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline_tests.sync.arrangement import Tenant, open_world, people
from integrations_sandbox import SandboxOptions, SandboxServer

ROOT = str(Path(integrations_pipeline.__file__).parent) + "/"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def tenant(sandbox: SandboxServer, database: Any) -> Iterator[Tenant]:
    with open_world(sandbox, database) as world:
        tenant = world.tenant()
        tenant.add_remote(*people(5))
        tenant.sync()
        tenant.sync()
        yield tenant


def followed(act: Callable[[], object]) -> tuple[set[str], set[tuple[str, str]], int]:
    """The product's files and functions that run, and the calls that go from one of its files to another."""
    files: set[str] = set()
    functions: set[tuple[str, str]] = set()
    hops = 0

    def note(frame: FrameType, what: str, _argument: Any) -> None:
        nonlocal hops
        name = frame.f_code.co_filename
        if what != "call" or not name.startswith(ROOT) or frame.f_code.co_name.startswith("<"):
            return
        files.add(name.removeprefix(ROOT))
        functions.add((name, frame.f_code.co_qualname))
        caller = frame.f_back.f_code.co_filename if frame.f_back else ""
        hops += caller.startswith(ROOT) and caller != name

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return files, functions, hops


@pytest.mark.parametrize(("what", "most_files", "most_hops"), [("edited", 65, 450), ("quiet", 40, 150)])
def test_a_run_is_followed_through_so_many_files(tenant: Tenant, what: str, most_files: int, most_hops: int) -> None:
    if what == "edited":
        (contact_id, record_id), *_ = tenant.links().items()
        tenant.edit_local(contact_id, company="Here")
        tenant.edit_remote(record_id, phone="555")
    runtime, request = tenant.world.runtime, tenant.request()
    files, functions, hops = followed(lambda: run_sync(runtime, request))
    told = [f"{what}: {len(files)} files, {len(functions)} functions, {hops} hops", *sorted(files)]
    sys.stdout.write("\n" + "\n".join(told) + "\n")
    assert len(files) <= most_files
    assert hops <= most_hops
    tenant.assert_in_sync()
