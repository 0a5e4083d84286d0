"""The only reader of the environment: validated once, frozen, one clear line per mistake.

Belongs here: names and defaults of environment variables. Does not: opening anything (`wiring`).
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from integrations_pipeline.alerts import addresses as alert_addresses
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.addresses import is_loopback

DATABASE_URL = "INTEGRATIONS_DATABASE_URL"
HOME = "INTEGRATIONS_HOME"
ENCRYPTION_KEYS = "INTEGRATIONS_ENCRYPTION_KEYS"
#: Speeds providers on loopback up by this factor, and no others; refused where none is.
RATE_SCALE = "INTEGRATIONS_SANDBOX_RATE_SCALE"
MOST_SCALE = 1e6
#: In how many nights every connection is verified once; 0 for never.
VERIFY_NIGHTS = "INTEGRATIONS_VERIFY_NIGHTS"
DEFAULT_NIGHTS, MOST_NIGHTS = 7, 366
#: Where alerts go, as the library apprise writes it.
ALERT_URLS = "INTEGRATIONS_ALERT_URLS"
#: A name, or an address in brackets, with or without a port; nobody's name or password.
_HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`database_url` None means the embedded Postgres under `home`; `addresses` by environment name."""

    home: Path
    database_url: str | None = field(default=None, repr=False)
    encryption_keys: str | None = field(default=None, repr=False)
    addresses: Mapping[str, str] = field(default_factory=dict)
    #: (client id, client secret) by the prefix of their variables, as `GOOGLE`; empty where not set.
    oauth_clients: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    #: For providers on loopback (`sync.runtime.Runtime.rate_scale_of`).
    rate_scale: float = 1.0
    verify_nights: int = DEFAULT_NIGHTS
    alert_urls: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_embedded(self) -> bool:
        return self.database_url is None

    @classmethod
    def from_environment(
        cls,
        defaults: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        *,
        clients: Iterable[str] = (),
    ) -> "Settings":
        """Read the environment. `defaults` are the providers' addresses by environment name, `clients` the
        prefixes of OAuth clients.

        `ConfigurationError` names every variable that is wrong, one line each.
        """
        values = os.environ if environment is None else environment
        addresses = {name: values.get(name) or default for name, default in defaults.items()}
        mistakes = [problem for name, url in addresses.items() if (problem := _address_problem(name, url))]
        scale, problem = _rate_scale(values.get(RATE_SCALE, ""), addresses)
        nights, unfit = _nights(values.get(VERIFY_NIGHTS, ""))
        mistakes += [each for each in (problem, unfit) if each]
        alert_urls = alert_addresses.split(values.get(ALERT_URLS, ""))
        mistakes += alert_addresses.mistakes(ALERT_URLS, alert_urls)
        if values.get(DATABASE_URL) and not values.get(ENCRYPTION_KEYS):
            mistakes.append(
                f"{ENCRYPTION_KEYS} is not set: with {DATABASE_URL} the keys that encrypt credentials must be "
                "given; `integrations db new-key` makes one"
            )
        home, problem = _home(values.get(HOME, ""))
        mistakes += [problem] if problem else []
        if mistakes:
            raise ConfigurationError("\n".join(mistakes))
        return cls(
            home=home,
            database_url=values.get(DATABASE_URL) or None,
            encryption_keys=values.get(ENCRYPTION_KEYS) or None,
            addresses=addresses,
            oauth_clients={
                name: (values.get(f"{name}_CLIENT_ID") or "", values.get(f"{name}_CLIENT_SECRET") or "")
                for name in clients
            },
            rate_scale=scale,
            verify_nights=nights,
            alert_urls=alert_urls,
        )


def _home(text: str) -> tuple[Path, str]:
    home = Path(text or ".integrations")
    try:
        return home.absolute(), ""
    except FileNotFoundError:
        return (
            home,
            f"{HOME}: the current folder is gone, so there is no {home} in it; go to another, or name a whole path",
        )


def _address_problem(name: str, url: str) -> str:
    if "{dc}" in url:
        url = url.replace("{dc}", "us1")
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(_HOST.fullmatch(parts.netloc)) and parts.port != 0
    except ValueError:  # brackets that are no IPv6 address, a port that is none
        is_address = False
    if not is_address:
        return f"{name}: {url!r} is no address; expected https://host"
    if parts.scheme == "http" and not is_loopback(url):
        return f"{name}: tokens are sent over https only; http is for loopback"
    return ""


def _rate_scale(text: str, addresses: Mapping[str, str]) -> tuple[float, str]:
    if not text:
        return 1.0, ""
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= MOST_SCALE:
        return 1.0, f"{RATE_SCALE}: {text!r} is no positive number"
    if not any(map(is_loopback, addresses.values())):
        return 1.0, f"{RATE_SCALE} is only for providers on loopback; unset it"
    return scale, ""


def _nights(text: str) -> tuple[int, str]:
    if not text:
        return DEFAULT_NIGHTS, ""
    if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_NIGHTS)) and int(text) <= MOST_NIGHTS:
        return int(text), ""
    return DEFAULT_NIGHTS, f"{VERIFY_NIGHTS}: {text!r} is no number of nights from 0 to {MOST_NIGHTS}"
