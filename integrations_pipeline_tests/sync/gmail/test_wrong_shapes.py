"""Each of Gmail's endpoints answers some hundred wrong shapes in whole runs: whatever comes is one line, no pitch goes
out twice or counts as sent without having left, and nothing is recorded as an answer that is none."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline.providers.gmail import shapes
from integrations_pipeline.providers.shapes import Shape
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.providers.wrong_shapes import STRANGERS, Distorting, Spoil, spoilers
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld

#: Answers of an endpoint, by Hypothesis profile: the whole spoilt in every way, and a spread of its places.
MOST = 80 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 25
#: What a pitch may be after a run that met wrong answers, and whether it left then.
LEFT = {"sent": 1, "replied": 1, "bounced": 1, "failed": 0, "cancelled": 0, "queued": 0}


@dataclass(slots=True)
class Scene:
    """A mailbox from which one pitch went out, and the messages that came in since."""

    agency: Agency
    network: Distorting
    first: str
    incoming: set[str] = field(default_factory=set)

    @property
    def world(self) -> PostWorld:
        return self.agency.world


Deed = Callable[[Scene], object]


def due(scene: Scene) -> str:
    return scene.agency.pitch()


def lost(scene: Scene, path: str, action: str = "drop_after") -> None:
    due(scene)
    scene.world.fault(action, method="POST", path_regex=path, times=1)


def called_off(scene: Scene) -> None:
    pitch_id = due(scene)
    scene.world.once(
        "/drafts$", lambda: scene.agency.change(pitch_id, status="cancelled"), method="POST", is_after=True
    )


def answered(scene: Scene) -> None:
    scene.incoming.add(scene.world.mail.reply(scene.agency.delivery(scene.first)).id)


def returned(scene: Scene) -> None:
    scene.incoming.add(scene.world.mail.bounce(scene.agency.delivery(scene.first)).id)


def forgotten(scene: Scene) -> None:
    scene.world.gmail.expire_history(OWN)
    answered(scene)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How its request begins, its shape, and what there is to do in a run that asks it."""

    pattern: str
    shape: Shape
    deed: Deed


ENDPOINTS = {
    "profile": Endpoint(r"GET .*/profile$", shapes.PROFILE, due),
    "sendAs": Endpoint(r"GET .*/sendAs$", shapes.ALIASES, due),
    "drafts.create": Endpoint(r"POST .*/drafts$", shapes.NEW_DRAFT, due),
    "drafts.send": Endpoint(r"POST .*/drafts/send$", shapes.SENT, due),
    "drafts.get": Endpoint(
        r"GET .*/drafts/[\w-]+\?", shapes.DRAFT, partial(lost, path="/drafts/send$", action="drop_before")
    ),
    "drafts.list": Endpoint(r"GET .*/drafts\?", shapes.DRAFTS, partial(lost, path="/drafts$")),
    "drafts.delete": Endpoint(r"DELETE .*/drafts/", shapes.DELETED, called_off),
    "messages.list, searched": Endpoint(r"GET .*/messages\?q=", shapes.MESSAGES, due),
    "messages.list, newest": Endpoint(r"GET .*/messages\?maxResults=", shapes.MESSAGES, forgotten),
    "messages.get, of a pitch": Endpoint(r"GET .*/messages/\w+\?format=metadata", shapes.MESSAGE, due),
    "messages.get, of an answer": Endpoint(r"GET .*/messages/\w+\?format=metadata", shapes.MESSAGE, answered),
    "messages.get, raw": Endpoint(r"GET .*/messages/\w+\?format=raw", shapes.RAW_MESSAGE, returned),
    "threads.get": Endpoint(r"GET .*/threads/", shapes.THREAD, partial(lost, path="/drafts/send$")),
    "history.list": Endpoint(r"GET .*/history\?", shapes.HISTORY, answered),
}
#: How the sandbox tells these requests, to answer them itself.
WRITES = {
    "drafts.create": {"method": "POST", "path_regex": "/drafts$"},
    "drafts.send": {"method": "POST", "path_regex": "/drafts/send$"},
    "drafts.delete": {"method": "DELETE", "path_regex": "/drafts/"},
}


@pytest.fixture
def scene(world: PostWorld) -> Scene:
    world.network.shut_down()
    world.network = network = Distorting()
    agency = world.agency()
    first = agency.pitch()
    assert agency.sync().status is RunStatus.SUCCESS
    return Scene(agency=agency, network=network, first=first)


def wrong_answers(scene: Scene, endpoint: Endpoint) -> list[Spoil]:
    """What makes wrong answers of this endpoint's right one."""
    scene.network.watch(endpoint.pattern)
    endpoint.deed(scene)
    scene.agency.sync()
    assert scene.network.hits, "the run does not ask the endpoint"
    assert endpoint.shape.fits(scene.network.body, 204 if scene.network.body is None else 200)
    wrong = spoilers(scene.network.body, MOST)
    assert len(wrong) >= len(STRANGERS)
    return wrong


def check(scene: Scene, report: SyncReport) -> None:
    """What holds after any run: what is told is one line, and what is recorded is true."""
    agency = scene.agency
    told = [line for line in (report.error, *(line for each in report.results for line in each.errors)) if line]
    told += [row["error_message"] for row in agency.pitches() if row["error_message"]]
    assert not [line for line in told if "unexpected" in line or not line.isprintable()]
    assert agency.connection.status == "active"
    counted = scene.world.deliveries()
    assert not [row for row in agency.pitches() if counted[row["id"]] != LEFT.get(row["status"], counted[row["id"]])]
    recorded = [row["gmail_message_id"] for row in agency.replies()]
    assert len(set(recorded)) == len(recorded)
    assert set(recorded) <= scene.incoming


def spoilt_runs(
    scene: Scene, endpoint: Endpoint, wrong: Sequence[Spoil], unapplied: dict[str, str] | None = None
) -> None:
    """A run per wrong answer, each followed by one whose answers are right. `unapplied`: these requests do nothing."""
    seen: Counter[str] = Counter()
    for spoil in wrong:
        endpoint.deed(scene)
        if unapplied:
            scene.world.fault("status", status=200, body={}, times=-1, **unapplied)
        scene.network.distort(endpoint.pattern, spoil)
        report = scene.agency.sync()
        assert scene.network.hits
        seen[f"run {report.status.value}"] += 1
        check(scene, report)
        scene.network.leave_alone()
        scene.world.heal()
        check(scene, scene.agency.sync())
    gather("wrong shapes of Gmail", seen + Counter({"answers": len(wrong)}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDPOINTS)
def test_whatever_an_endpoint_of_gmail_answers_is_one_line_and_nothing_untrue_is_recorded(
    scene: Scene, name: str
) -> None:
    endpoint = ENDPOINTS[name]
    spoilt_runs(scene, endpoint, wrong_answers(scene, endpoint))
    scene.agency.sync()
    scene.agency.assert_settled()
    assert set(scene.agency.statuses()) <= {"sent", "replied", "bounced", "cancelled", "unknown"}


def _instead(told: Any, _: Any) -> Any:
    return told


@pytest.mark.slow
@pytest.mark.parametrize("applies", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize("name", WRITES)
def test_an_answer_to_a_write_of_gmail_of_another_shape_is_looked_into(scene: Scene, name: str, applies: bool) -> None:
    endpoint = ENDPOINTS[name]
    wrong = wrong_answers(scene, endpoint)
    true = scene.network.body
    told = [spoil(true) for spoil in wrong if not endpoint.shape.fits(spoil(true), 200)]
    assert len(told) > len(STRANGERS) / 2
    instead: list[Spoil] = [partial(_instead, body) for body in told]
    spoilt_runs(scene, endpoint, instead, None if applies else WRITES[name])
    scene.agency.sync()
    scene.agency.assert_settled()
    assert set(scene.agency.statuses()) == ({"sent", "cancelled"} if name == "drafts.delete" else {"sent"})
    assert not scene.agency.drafts()
