"""Which records the next run reads again because of what became of a change."""

from types import SimpleNamespace
from typing import Any

import pytest

from integrations_pipeline.errors import PermanentError, RetryableError
from integrations_pipeline.model import Change, ChangeKind, ChangeState, Outcome, Side
from integrations_pipeline.sync.contacts.checkpoint import _is_over

FAILED, APPLIED = ChangeState.FAILED, ChangeState.APPLIED
REFUSED = {"state": FAILED, "error_class": PermanentError.__name__}


def outcome(side: Side, kind: ChangeKind, **fields: Any) -> Outcome:
    return Outcome(change=Change(side=side, kind=kind, contact_id="c", external_id="r"), **fields)


@pytest.mark.parametrize(
    ("told", "keeps_refusals", "expected"),
    [
        pytest.param(outcome(Side.REMOTE, ChangeKind.UPDATE, state=APPLIED), False, True, id="done"),
        pytest.param(outcome(Side.REMOTE, ChangeKind.UPDATE, **REFUSED), True, True, id="refused for good"),
        pytest.param(outcome(Side.REMOTE, ChangeKind.UPDATE, **REFUSED), False, False, id="refused for now"),
        pytest.param(outcome(Side.REMOTE, ChangeKind.CREATE, **REFUSED), True, False, id="a create"),
        pytest.param(outcome(Side.LOCAL, ChangeKind.UPDATE, **REFUSED), True, False, id="refused here"),
        pytest.param(
            outcome(Side.REMOTE, ChangeKind.UPDATE, state=FAILED, error_class=RetryableError.__name__),
            True,
            False,
            id="a fault that passes",
        ),
        pytest.param(
            outcome(Side.LOCAL, ChangeKind.UPDATE, state=APPLIED, lost=frozenset({"name"})), True, False, id="not taken"
        ),
    ],
)
def test_a_record_is_read_again_unless_its_change_is_done_or_refused_for_good(
    told: Outcome, keeps_refusals: bool, expected: bool
) -> None:
    run: Any = SimpleNamespace(spec=SimpleNamespace(capabilities=SimpleNamespace(keeps_refusals=keeps_refusals)))
    assert _is_over(run, told) is expected
