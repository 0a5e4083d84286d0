"""What happens while a renewal is under way. Belongs here: at which moment. Does not: what happens then."""

import threading
from collections.abc import Callable

import httpx

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sync.arrangement import NO_TLS


class Eventful(httpx.HTTPTransport):
    """The network; right after the first answer with tokens something happens, before anybody has read it."""

    def __init__(self, event: Callable[[], object]) -> None:
        super().__init__(verify=NO_TLS, trust_env=False)
        self._event = event
        self._has_happened = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.read()
        if request.url.path.endswith("/token") and response.is_success and not self._has_happened:
            self._has_happened = True
            self._event()
        return response


class Held(Eventful):
    """The network; the first answer with tokens is held back until `let_go`, so that the endpoint has renewed them and
    nobody here knows."""

    def __init__(self) -> None:
        self._is_let_go = threading.Event()
        super().__init__(lambda: self._is_let_go.wait(patient(60)))

    def let_go(self) -> None:
        self._is_let_go.set()
