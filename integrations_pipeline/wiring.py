"""Puts the program together from its settings: database, keys, providers, pacer.

Belongs here: building what entry points hand down. Does not: reading the environment (`settings`).
"""

from functools import cached_property

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.oauth_spec import OAuthClient
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.settings import Settings
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.embedded import EmbeddedPostgres
from integrations_pipeline.store.encryption import Cipher, load_or_create_key_file
from integrations_pipeline.store.pace import DatabasePacer
from integrations_pipeline.store.tokens import encrypt_plain_credentials
from integrations_pipeline.sync.runtime import Runtime

KEY_FILE = "encryption.key"


def read_settings() -> Settings:
    """The settings of this process, with the addresses of every installed provider."""
    defaults = {name: url for spec in provider_specs().values() for name, url in spec.addresses.items()}
    clients = {spec.oauth.client for spec in provider_specs().values() if spec.oauth}
    return Settings.from_environment(defaults, clients=clients)


class Wiring:
    """The program's parts, made on first use. Nothing is opened before it is needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def embedded(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.settings.home)

    @cached_property
    def database_url(self) -> str:
        """The configured database, or the embedded one, started if it does not run."""
        return self.settings.database_url or self.embedded.ensure_running()

    @cached_property
    def database(self) -> Database:
        return Database(self.database_url)

    @cached_property
    def pacer(self) -> DatabasePacer:
        return DatabasePacer(self.database)

    @cached_property
    def cipher(self) -> Cipher:
        if self.settings.encryption_keys:
            return Cipher.from_text(self.settings.encryption_keys)
        return Cipher.from_text(load_or_create_key_file(self.settings.home / KEY_FILE))

    @cached_property
    def runtime(self) -> Runtime:
        """What syncs run on. The embedded database is migrated by itself, any other only by `db upgrade`."""
        if not self.database.is_current():
            if not self.settings.is_embedded:
                raise ConfigurationError("the database is not up to date: run `integrations db upgrade`")
            self.upgrade()
        elif self.settings.is_embedded:
            self._encrypt()
        return Runtime(
            database=self.database,
            cipher=self.cipher,
            specs=provider_specs(),
            addresses=self.settings.addresses,
            pacer=self.pacer,
            rate_scale=self.settings.rate_scale,
            oauth_clients={
                name: OAuthClient(id=found[0], secret=found[1]) for name, found in self.settings.oauth_clients.items()
            },
        )

    def upgrade(self) -> tuple[str, ...]:
        """Apply missing migrations and encrypt credentials that an adopted database holds in plain."""
        applied = self.database.upgrade()
        self._encrypt()
        return applied

    def _encrypt(self) -> None:
        with self.database.admin() as connection:
            encrypt_plain_credentials(connection, self.cipher)

    def close(self) -> None:
        if "pacer" in self.__dict__:
            self.pacer.close()
        if "database" in self.__dict__:
            self.database.close()
