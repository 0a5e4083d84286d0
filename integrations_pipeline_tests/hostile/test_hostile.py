"""The attacker's list holds, and the list itself can tell: an attempt that succeeds is called broken."""

from collections import Counter

import pytest

from integrations_pipeline_tests import servers
from integrations_pipeline_tests.hostile.__main__ import ATTEMPTS, main
from integrations_pipeline_tests.hostile.attempt import Attempt, Ground, Skipped, Verdict, ground, tried
from integrations_pipeline_tests.hostile.members import _by

pytestmark = pytest.mark.slow


def test_every_attempt_is_held_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    verdicts = Counter(line.split()[0] for line in lines[:-1])
    missing = 0 if servers.pooler() else 3
    assert verdicts == Counter({"HELD": len(ATTEMPTS) - missing, "SKIPPED": missing})
    assert verdicts["HELD"] > 80


def _skip(_place: Ground) -> str:
    raise Skipped("nothing here")


def test_what_is_not_held_is_called_broken() -> None:
    with ground() as place:
        own = Attempt(area="a", title="change one's own contact", deed=_by("update workspace_contacts set name = 'Z'"))
        odd = Attempt(area="a", title="no SQL", deed=_by("selec"))
        assert tried(own, place).verdict is Verdict.BROKEN
        assert "1 rows" in tried(own, place).why
        assert tried(odd, place).verdict is Verdict.BROKEN
        assert str(tried(Attempt(area="a", title="t", deed=_skip), place)) == "SKIPPED a: t (nothing here)"
