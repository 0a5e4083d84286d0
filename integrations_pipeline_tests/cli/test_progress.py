"""Progress is shown per stage where there is a terminal, and nowhere else."""

import pytest
from rich.progress import Progress

from integrations_pipeline.cli.output import ProgressLine


def test_each_stage_has_a_line_of_its_own_that_goes_on() -> None:
    shown = Progress(disable=True)
    line = ProgressLine(shown)
    line("read", 1, 0)
    line("read", 2, 0)
    line("write", 1, 4)

    assert [(task.description, task.completed, task.total) for task in shown.tasks] == [
        ("read", 2, None),
        ("write", 1, 4),
    ]


def test_without_a_terminal_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressLine(None)("read", 1, 2)
    assert capsys.readouterr() == ("", "")
