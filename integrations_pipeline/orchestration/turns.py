"""Turns of a batch: so many workspaces are at work at a time; whoever must wait for long lets another one work.

A provider that asks for a pause of a minute makes a sync sleep, not work. Belongs here: turns, and giving one's own
back for as long as one sleeps. Does not: who takes one (`batch`), how long to sleep (`providers.http`, `store.pace`).
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: A shorter pause is not worth a change of turns.
LONG_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Turn:
    """One workspace's turn. Its `sleep` is to be used for whatever the sync waits for, from any thread.

    `waited_seconds`: how long it was asked to sleep without its turn.
    """

    def __init__(self, name: str, free: threading.Semaphore, sleep: Callable[[float], object]) -> None:
        self._name = name
        self._free = free
        self._sleep = sleep
        self._lock = threading.Lock()
        self._is_given_back = False
        self.waited_seconds = 0.0

    def sleep(self, seconds: float) -> None:
        """Sleep; for long, with the turn given back, and taken again before this returns or raises."""
        if seconds < LONG_SECONDS:
            self._sleep(seconds)
            return
        self._give_back(seconds)
        try:
            self._sleep(seconds)
        finally:
            self._take_again()

    def _give_back(self, seconds: float) -> None:
        with self._lock:
            if not self._is_given_back:
                _log.info("%s waits %.0f s; another workspace is synced meanwhile", self._name, seconds)
                self._is_given_back = True
                self.waited_seconds += seconds
                self._free.release()

    def _take_again(self) -> None:
        """The first of several requests that wait brings the turn back for all of them."""
        with self._lock:
            if self._is_given_back:
                self._free.acquire()
                self._is_given_back = False


class Turns:
    """So many at a time; `sleep` makes the pauses."""

    def __init__(self, at_once: int, sleep: Callable[[float], object]) -> None:
        self._free = threading.Semaphore(at_once)
        self._sleep = sleep

    @contextmanager
    def turn(self, name: str) -> Iterator[Turn]:
        """Wait for a turn, and have it until the end but for what is given back meanwhile."""
        with self._free:
            yield Turn(name, self._free, self._sleep)
