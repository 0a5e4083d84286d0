"""What a check finds, gathered question by question: one that gets no answer hides none of the others.

Belongs here: the collector, and the one rule about questions that fail. Does not: any question (the providers).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    IntegrationError,
    RetryableError,
    UnreachableError,
)
from integrations_pipeline.model import FieldKind, MappedField
from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.providers.columns import SchemaLook


@dataclass(slots=True)
class Findings:
    """Problems and notes found so far, in the order of the questions."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fault: RetryableError | None = None

    @contextmanager
    def asking(self, what: str, *, is_vital: bool = False) -> Iterator[None]:
        """A question, named by what it asks for.

        ==========================  ==================================================================
        it ends with                then
        ==========================  ==================================================================
        refused credentials,        all others would end so, too: a problem, and the check is over
        an address that is silent
        a fault that passes         a note that this could not be found out; a problem where a sync
                                    needs it (`is_vital`): nobody can say that the connection is ready
        any other refusal           the same, but where a sync needs it the refusal itself is the problem;
                                    wrong settings, as of a place that is not there, end the check then
        ==========================  ==================================================================
        """
        try:
            yield
        except IntegrationError as error:
            is_last, is_fault = _is_last(error, is_vital=is_vital), isinstance(error, RetryableError)
            if isinstance(error, RetryableError) and (is_vital or is_last):
                self.fault = self.fault or error
            if is_last:
                self.problems.append(str(error))
                raise CheckEndedError from error
            told = what if is_vital and not is_fault else f"could not be found out: {what}"
            (self.problems if is_vital else self.notes).append(f"{told}: {error}")

    def add_look(self, look: SchemaLook) -> None:
        """What a look at the columns came to. A field of the default mapping that has none is left out of a sync, which
        goes on; but without the one that tells who somebody is, it makes nobody new on either side."""
        self.problems += [*look.problems, *look.stopped.values()]
        for name, reason in look.left_out.items():
            if MappedField(name=name, column="").kind is FieldKind.EMAIL:
                self.problems.append(f"{reason}; without {name} nobody new is made on either side")
            else:
                self.notes.append(f"{name} is not synced: {reason}")

    @contextmanager
    def until_ended(self) -> Iterator[None]:
        """Questions that an answer to one of them may cut short."""
        try:
            yield
        except CheckEndedError:
            return

    def report(self) -> CheckReport:
        return CheckReport(problems=tuple(self.problems), notes=tuple(self.notes), fault=self.fault)


def _is_last(error: IntegrationError, *, is_vital: bool) -> bool:
    """Whether there is nothing to be had from further questions."""
    is_hopeless = isinstance(error, (CredentialsError, UnreachableError))
    return is_hopeless or (is_vital and isinstance(error, ConfigurationError))


class CheckEndedError(Exception):
    """No further question would be answered; what ended the check is among the problems."""
