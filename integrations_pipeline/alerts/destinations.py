"""Destinations of alerts, spoken to through the library apprise.

Belongs here: making one of an address, sending one message, and what came of it in words without secrets. Does not:
which alert is sent, and when (`sending`). Apprise is imported when the first one is made.

What apprise logs of a service may hold its answer or its address: it goes to nobody, and only tells what kind of
failure it was.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, Protocol

from integrations_pipeline.alerts.addresses import digest
from integrations_pipeline.errors import ConfigurationError

Tone = Literal["info", "success", "warning", "failure"]

#: The longest that one message to one destination may take, and one silence of it, whatever its address asks for.
#: Apprise's own are 4 seconds for HTTP and 15 for mail servers, some of which let a stranger wait before they greet.
SEND_SECONDS = 20.0
SOCKET_SECONDS = 10.0
#: Schemes whose host is a host and not part of a secret, as it is in slack:// or discord://.
_HOSTS = {"json", "jsons", "form", "forms", "xml", "xmls", "mailto", "mailtos", "workflow", "workflows"}
_LONGEST_SCHEME = 20
_STATUS = re.compile(r"error=(\d{3})\b")
#: How requests and Python name connections that were never made: nothing can have arrived.
_NOT_REACHED = re.compile(
    r"NewConnectionError|ConnectTimeout|NameResolutionError|ConnectionRefused|Connection refused"
    r"|gaierror|Name or service not known|SSLError|SSLCertVerification"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one message; `is_doubtful`: it may have arrived although it seems not to."""

    reason: str = ""
    is_doubtful: bool = False

    @property
    def is_sent(self) -> bool:
        return not self.reason


class Destination(Protocol):
    """Where alerts go. `label` names it for people, `key` in the database; neither holds a secret."""

    @property
    def label(self) -> str: ...

    @property
    def key(self) -> str: ...

    def send(self, title: str, body: str, tone: Tone) -> Outcome:
        """Send one message. Raises nothing; ends within `SEND_SECONDS`."""
        ...


class AppriseDestination:
    """One address as apprise reads it."""

    def __init__(self, address: str, service: Any, apprise: Any) -> None:
        self.label = _label(address, service)
        self.key = digest(address)
        self._apprise = apprise

    def send(self, title: str, body: str, tone: Tone) -> Outcome:
        try:
            result = self._apprise.notify(
                body=body, title=title, notify_type=tone, body_format="text", log_level=logging.DEBUG
            )
        except Exception as error:  # noqa: BLE001 - one of a hundred services of the library must not stop the others
            return Outcome(reason=f"apprise failed ({type(error).__name__})", is_doubtful=True)
        return outcome_of(
            [attempt.status.name for each in result for attempt in each],
            [entry.message for entry in result.logs()],
        )


def outcome_of(statuses: Sequence[str], logged: Iterable[str]) -> Outcome:
    """What apprise's attempts and its log lines mean. `optional=yes` in an address makes its own verdict a success."""
    if "SUCCESS" in statuses:
        return Outcome()
    text = "\n".join(logged)
    if found := _STATUS.search(text):
        return Outcome(reason=f"it answered {_status(int(found[1]))}")
    if _NOT_REACHED.search(text):
        return Outcome(reason="it cannot be reached")
    if "TIMEOUT" in statuses or "ReadTimeout" in text or "Read timed out" in text:
        return Outcome(reason="it did not answer in time", is_doubtful=True)
    return Outcome(reason="it did not take the message, or the connection broke", is_doubtful=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Destinations that apprise understands; of the others a line each, and their keys."""

    destinations: Sequence[AppriseDestination]
    mistakes: Sequence[str] = ()
    lost_keys: Sequence[str] = ()

    def require(self) -> Sequence[AppriseDestination]:
        """The destinations; `ConfigurationError` with the lines if there are any."""
        if self.mistakes:
            raise ConfigurationError("\n".join(self.mistakes))
        return self.destinations


def build_destinations(name: str, addresses: Sequence[str]) -> Built:
    """A destination for each address of the variable `name`."""
    built = [(address, _build(address)) for address in addresses]
    lost = [(number, address) for number, (address, made) in enumerate(built, 1) if made is None]
    return Built(
        destinations=[made for _, made in built if made is not None],
        mistakes=[f"{name}: destination {n} ({_scheme(each)}://…) is not understood by apprise" for n, each in lost],
        lost_keys=[digest(address) for _, address in lost],
    )


def _build(address: str) -> AppriseDestination | None:
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415 - only where alerts are sent: it is slow to import

    _silence()
    asset = AppriseAsset(
        app_id="integrations_pipeline",
        app_desc="Alerts of integrations_pipeline",
        service_timeout=SEND_SECONDS,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        storage_mode="memory",
    )
    service = Apprise.instantiate(address, asset=asset)
    if service is None:
        return None
    service.socket_connect_timeout = min(service.socket_connect_timeout, SOCKET_SECONDS)
    service.socket_read_timeout = min(service.socket_read_timeout, SOCKET_SECONDS)
    return AppriseDestination(address, service, Apprise(service, asset=asset))


def _silence() -> None:
    """Its lines are read (`outcome_of`) and shown to nobody; urllib3's hold addresses."""
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _label(address: str, service: Any) -> str:
    scheme = _scheme(address)
    host = getattr(service, "host", None) if scheme in _HOSTS else None
    port = f":{service.port}" if host and isinstance(getattr(service, "port", None), int) else ""
    return f"{scheme}://{host or '…'}{port}"


def _scheme(address: str) -> str:
    return address.partition("://")[0].lower()[:_LONGEST_SCHEME]


def _status(code: int) -> str:
    known = {each.value: each.phrase for each in HTTPStatus}
    return f"{code} {known[code]}" if code in known else str(code)
