"""A check's questions: what each answer and each failure comes to, and which failures end it."""

import pytest

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RetryableError,
    UnreachableError,
    WrongAnswerError,
)
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.findings import Findings

UNKNOWN = "could not be found out: the weather: no"


@pytest.mark.parametrize(
    ("error", "is_vital", "problems", "notes", "goes_on", "is_fault"),
    [
        pytest.param(RetryableError("no"), False, [], [UNKNOWN], True, False, id="a fault"),
        pytest.param(RetryableError("no"), True, [UNKNOWN], [], True, True, id="a fault where it matters"),
        pytest.param(WrongAnswerError("no"), True, [UNKNOWN], [], True, True, id="no answer of the API"),
        pytest.param(PermanentError("no"), False, [], [UNKNOWN], True, False, id="a refusal"),
        pytest.param(PermanentError("no"), True, ["the weather: no"], [], True, False, id="a refusal where it matters"),
        pytest.param(NeedsAttentionError("no"), True, ["the weather: no"], [], True, False, id="denied"),
        pytest.param(ConfigurationError("no"), False, [], [UNKNOWN], True, False, id="wrong settings, by the way"),
        pytest.param(ConfigurationError("no"), True, ["no"], [], False, False, id="no such place"),
        pytest.param(CredentialsError("no"), False, ["no"], [], False, False, id="a token that is refused"),
        pytest.param(UnreachableError("no"), False, ["no"], [], False, True, id="an address that is silent"),
    ],
)
def test_a_question_that_fails(
    error: IntegrationError, is_vital: bool, problems: list[str], notes: list[str], goes_on: bool, is_fault: bool
) -> None:
    found = Findings()
    with found.until_ended():
        with found.asking("the weather", is_vital=is_vital):
            raise error
        found.notes.append("the next question")
    report = found.report()
    assert list(report.problems) == problems
    assert list(report.notes) == [*notes, *(["the next question"] if goes_on else [])]
    assert report.fault is (error if is_fault else None)


def test_a_field_that_is_left_out_is_a_note_unless_it_tells_who_somebody_is() -> None:
    found = Findings()
    look = SchemaLook(problems=("a",), stopped={"phone": "b"}, left_out={"company": "c", "email": "d"})
    found.add_look(look)
    assert found.problems == ["a", "b", "d; without email nobody new is made on either side"]
    assert found.notes == ["company is not synced: c"]


def test_what_is_no_error_of_ours_is_not_taken_for_an_answer() -> None:
    found = Findings()
    with pytest.raises(ZeroDivisionError), found.until_ended(), found.asking("the weather"):
        raise ZeroDivisionError
