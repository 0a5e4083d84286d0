"""What can be tried around the database: poolers, pid files, envelopes, ids in addresses, the terminal, the browser."""

import json
import secrets
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID

from integrations_pipeline.cli.loopback import listening
from integrations_pipeline.cli.output import visible
from integrations_pipeline.errors import ConfigurationError, CredentialsError
from integrations_pipeline.providers.oauth import Consent
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.embedded import EmbeddedPostgres
from integrations_pipeline.store.encryption import Cipher, generate_key_text
from integrations_pipeline.store.tokens import encrypt_plain_credentials, read_tokens, save_credentials
from integrations_pipeline.sync.runtime import parse_settings
from integrations_pipeline_tests import servers
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.hostile.attempt import Attempt, Ground, Skipped, variables
from integrations_pipeline_tests.oauth.visitor import get
from integrations_pipeline_tests.servers import free_port

ESCAPES = "A\x1b]0;owned\x07\x1b[2J\x9b2J\u202egnp\r\b\x7f\nerror: pay"


def _pooler(mode: str) -> Callable[[Ground], str]:
    def deed(place: Ground) -> str:
        if servers.pooler() is None:
            raise Skipped("pgbouncer is not installed")
        with servers.pooled(place.url, mode) as url, closing(Database(url)) as database:
            try:
                with (
                    database.session(place.mine.workspace_id) as one,
                    database.session(place.theirs.workspace_id) as two,
                ):
                    both = one.try_lock(UUID(int=7), "one") and two.try_lock(UUID(int=7), "two")
                    with one.begin() as connection:
                        slugs = [row[0] for row in connection.exec_driver_sql("select slug from workspaces")]
            except ConfigurationError as error:
                return "" if mode != "session" and "session mode" in str(error) else str(error)
        told = f"two hold one lock: {both}; a session of one workspace saw {slugs}"
        return "" if mode == "session" and not both and slugs == ["mine"] else told

    return deed


def _crossed(place: Ground) -> str:
    homes = [EmbeddedPostgres(place.folder / name, fsync=False) for name in ("one", "two")]
    one, two = homes
    try:
        for each in homes:
            each.ensure_running()
        mine, theirs = (each._pid_file().read_text() for each in homes)
        one._pid_file().write_text(theirs)
        two._pid_file().write_text(mine)
        one.stop()
        return "" if two.is_running() and not one.is_running() else "stopped the other home's server"
    finally:
        for each in homes:
            each.remove()


def _envelope(change: dict[str, Any]) -> Callable[[Ground], str]:
    """An envelope changed by whoever may write the table: never read as something else, never encrypted again."""

    def deed(place: Ground) -> str:
        cipher, secret = Cipher.from_text(generate_key_text()), {"access_token": "t"}
        connection_id = place.mine.connection_id
        with place.database.admin() as connection:
            save_credentials(connection, connection_id, secret, cipher)
            update = "update integration_connections set credentials = (credentials || %s::jsonb) where id = %s"
            connection.exec_driver_sql(update, (json.dumps(change), str(connection_id)))
            if encrypt_plain_credentials(connection, cipher) > 1:  # the other workspace's are plain
                return "was encrypted once more"
            try:
                found = read_tokens(connection, connection_id, cipher).credentials
            except CredentialsError:
                return ""
        return "" if found == secret else "was read as something else"

    return deed


def _copied(place: Ground) -> str:
    cipher = Cipher.from_text(generate_key_text())
    copy = (
        "update integration_connections c set credentials = o.credentials from integration_connections o"
        " where o.id = %s and c.id = %s"
    )
    with place.database.admin() as connection:
        save_credentials(connection, place.theirs.connection_id, {"access_token": "theirs"}, cipher)
        connection.exec_driver_sql(copy, (str(place.theirs.connection_id), str(place.mine.connection_id)))
        try:
            return str(read_tokens(connection, place.mine.connection_id, cipher))
        except CredentialsError:
            return ""


def _address(provider: str, settings: dict[str, str]) -> Callable[[Ground], str]:
    def deed(_place: Ground) -> str:
        try:
            parse_settings(provider_specs()[provider], settings)
        except ConfigurationError:
            return ""
        return "was taken"

    return deed


def _terminal(*arguments: str) -> Callable[[Ground], str]:
    def deed(place: Ground) -> str:
        keys = {"INTEGRATIONS_DATABASE_URL": place.url, "INTEGRATIONS_ENCRYPTION_KEYS": generate_key_text()}
        with variables(**keys):
            with place.database.admin() as connection:
                connection.exec_driver_sql("update workspaces set name = %s", (ESCAPES,))
                connection.exec_driver_sql("update workspace_contacts set name = %s", (ESCAPES,))
            ran = run(*arguments)
        told = ran.out + ran.err
        return "" if all(visible(line) == line for line in told.split("\n")) else "reached the terminal"

    return deed


def _visitor(*steps: str) -> Callable[[Ground], str]:
    """Steps on the start address; whoever is led to the question beside the first visitor, or gets it stored, won."""

    def deed(_place: Ground) -> str:
        port, state = free_port(), secrets.token_hex(8)
        redirect = f"http://localhost:{port}/callback"
        consent = Consent(address="https://provider.example/", redirect_uri=redirect, state=state, verifier="")
        with listening(port, consent) as server:
            places = {
                "open": (server.browser_address,),
                "open by hand": (server.start_address,),
                "open by another name": (server.browser_address, f"evil.example:{port}"),
                "guess": (f"http://localhost:{port}/start/guess",),
                "answer with a guessed state": (f"{redirect}?state=guess&code=theirs",),
                "answer": (f"{redirect}?state={state}&code=theirs",),
            }
            led = [bool(get(server, *places[step])[1]) for step in steps]
            try:
                answer = server.wait(0)
            except ConfigurationError:
                answer = None
        return (
            "" if sum(led) <= 1 and answer is None else f"led {sum(led)} to the question; answer: {answer is not None}"
        )

    return deed


_CHANGES: dict[str, dict[str, Any]] = {
    "a further key": {"note": 1},
    "a planted key": {"access_token": "planted"},
    "another version": {"v": 2},
    "another nonce": {"nonce": "AAAAAAAAAAAAAAAA"},
    "another type inside": {"ct": ["x"]},
}

ATTEMPTS = (
    *(
        Attempt(area="poolers", title=f"{mode} mode", deed=_pooler(mode))
        for mode in ("session", "transaction", "statement")
    ),
    Attempt(area="pid files", title="two homes with crossed files", deed=_crossed),
    Attempt(area="secrets", title="an envelope copied to another connection", deed=_copied),
    *(
        Attempt(area="secrets", title=f"an envelope with {title}", deed=_envelope(change))
        for title, change in _CHANGES.items()
    ),
    *(
        Attempt(area="addresses", title=f"{provider} {settings}", deed=_address(provider, settings))
        for provider, settings in (
            ("airtable", {"base_id": "..", "table_id": "T"}),
            ("airtable", {"base_id": "app1/../../meta", "table_id": "T"}),
            ("airtable", {"base_id": "app1", "table_id": ".."}),
            ("mailchimp", {"list_id": ".."}),
            ("mailchimp", {"list_id": "x/../../ping"}),
        )
    ),
    *(
        Attempt(area="the terminal", title=visible(" ".join(arguments)), deed=_terminal(*arguments))
        for arguments in (
            ("workspaces", "list"),
            ("workspaces", "list", "--json"),
            ("contacts", "list", "-w", "mine"),
            ("contacts", "list", "-w", "mine", "--json"),
            ("connections", "list", "-w", ESCAPES),
            (ESCAPES,),
            ("sync", f"--{ESCAPES}"),
        )
    ),
    *(
        Attempt(area="the browser's address", title=", then ".join(steps), deed=_visitor(*steps))
        for steps in (
            ("open", "open"),
            ("open by hand", "open"),
            ("open", "answer", "open"),
            ("open by another name",),
            ("guess",),
            ("open", "answer with a guessed state"),
        )
    ),
)
