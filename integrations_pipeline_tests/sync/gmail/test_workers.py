"""Two workers on one mailbox: one loses its lock anywhere and goes on, another takes over, nothing goes out twice."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from integrations_pipeline.errors import UnavailableError
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sync.crashes import Stage
from integrations_pipeline_tests.sync.gmail.arrangement import Agency, PostWorld
from integrations_pipeline_tests.sync.gmail.test_crashes import Story, by_story, stage  # noqa: F401

PEOPLE = 24


def take_over(agency: Agency) -> None:
    """The database ends the session of the worker that is at work, and with it its lock; another one syncs."""
    network = agency.world.network
    network.before = network.after = lambda _: None
    with agency.world.database.admin() as connection:
        connection.execute(
            text(
                "select pg_terminate_backend(pid, 5000) from pg_locks l join pg_database d on d.oid = l.database "
                "where l.locktype = 'advisory' and d.datname = current_database()"
            )
        )
    agency.sync()


def taken_over(world: PostWorld, story: Story, number: int, *, is_after: bool) -> tuple[Agency, str]:
    """A run whose worker is taken over at that request (or its answer) and goes on; "" if there is none."""
    agency = story.arrange(world)
    seen: list[str] = []
    reached = ""

    def look(request: httpx.Request) -> None:
        nonlocal reached
        seen.append(request.method)
        if len(seen) == number + 1:
            reached = request.method
            take_over(agency)

    setattr(world.network, "after" if is_after else "before", look)
    try:
        agency.sync(**story.options)
    except UnavailableError:
        pass
    finally:
        world.network.before = world.network.after = lambda _: None
    return agency, reached


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("is_after", [False, True], ids=["before the request", "after the answer"])
@by_story
def test_a_worker_that_lost_its_lock_anywhere_sends_nothing_that_another_one_sent(
    stage: Stage,  # noqa: F811
    story: Story,
    is_after: bool,
) -> None:
    _, expected = stage.undisturbed(story.arrange)
    reached: Counter[str] = Counter()
    number = 0
    while True:
        with stage.open() as world:
            agency, method = taken_over(world, story, number, is_after=is_after)
            if not method:
                break
            reached[method] += 1
            world.assert_at_most_once()
            *found, drafts = stage.end(agency)
            assert found == list(expected[:-1]), f"taken over at request {number}, {method}"
            # The draft that it was just making when it lost the lock stays behind, and is sent by nobody.
            assert drafts <= 1
        number += 1
    gather("two workers", Counter({f"taken over at {method}": count for method, count in reached.items()}))
    assert reached["GET"] >= 6
    assert reached["POST"] >= 3 or story.name == "taking in"


def test_a_run_that_was_scheduled_twice_finds_nothing_left_to_send(world: PostWorld) -> None:
    agency = world.agency()
    ids = agency.pitch_many(3)
    first, second = agency.sync(), agency.sync()
    assert (first.status, second.status) == (RunStatus.SUCCESS, RunStatus.SUCCESS)
    assert world.deliveries() == dict.fromkeys(ids, 1)
    assert second.api_calls <= 2


@pytest.mark.slow
def test_many_processes_that_send_at_once_send_everything_once(environment: Environment, tmp_path: Path) -> None:
    environment.add_workspace("acme")
    environment.sandbox.gmail.create_mailbox("me@agency.org")
    credentials = tmp_path / "gmail.json"
    credentials.write_text(json.dumps({"access_token": environment.sandbox.gmail.token("me@agency.org")}))
    assert run("connections", "add", "gmail", "-w", "acme", "--credentials", str(credentials)).code == 0
    rows = [f"person{number}@example.org,Hello,Text" for number in range(PEOPLE)]
    pitches = tmp_path / "pitches.csv"
    pitches.write_text("\n".join(["to_email,subject,body", *rows]))
    assert run("pitches", "import", str(pitches), "-w", "acme").code == 0
    command = [sys.executable, "-c", "from integrations_pipeline.cli import entry; entry()", "pitches", "send"]
    variables = {**os.environ, **environment.variables}

    processes = [
        subprocess.Popen([*command, "-w", "acme"], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    ends = [(process.communicate(timeout=patient(240)), process.returncode) for process in processes]

    # Who found the connection busy says so and ends; the others sent what there was.
    assert {code for _, code in ends} <= {0, 1}, ends
    assert any(code == 0 for _, code in ends), ends
    counts = environment.sandbox.gmail.world.count_by_header(PITCH_HEADER)
    assert (len(counts), set(counts.values())) == (PEOPLE, {1})
    assert environment.rows("select status, count(*) from pitches group by 1") == [("sent", PEOPLE)]
