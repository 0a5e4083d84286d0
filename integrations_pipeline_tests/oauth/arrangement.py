"""What the OAuth tests share: connections with tokens that the sandbox granted, time, and what was left behind.

Belongs here: arranging and looking. Does not: assertions, processes (`processes`).
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg2

from integrations_pipeline.model import Direction
from integrations_pipeline.providers.oauth import OAuthClient, OAuthExchange, OAuthSpec, Tokens
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store import connections, fleet, sync_log, tokens
from integrations_pipeline.store.connections import ConnectionRow, NewConnection
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import Runtime, token_source
from integrations_pipeline.sync.tokens import TokenKeeper
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import DEFAULT_OAUTH_CLIENTS, FaultRule, SandboxServer
from integrations_sandbox.stage import LoggedRequest

GOOGLE_TOKEN, GOOGLE_AUTH = "INTEGRATIONS_GOOGLE_TOKEN_URL", "INTEGRATIONS_GOOGLE_AUTH_URL"
GMAIL = "https://www.googleapis.com/auth/gmail."
#: What a provider that sends mail through Google has to ask for, written down apart from any provider's own.
GOOGLE = OAuthSpec(
    title="Google",
    client="GOOGLE",
    authorize=(GOOGLE_AUTH, ""),
    token=(GOOGLE_TOKEN, ""),
    scopes=(f"{GMAIL}readonly", f"{GMAIL}send"),
    parameters={"access_type": "offline", "prompt": "consent", "include_granted_scopes": "true"},
)
TOKEN_PATHS = {"airtable": "/oauth/airtable/oauth2/v1/token", "google": "/oauth/google/token"}
TABLES = (
    "integration_activity",
    "integration_changes",
    "integration_connections",
    "integration_links",
    "integration_sync_logs",
    "workspace_contacts",
    "workspaces",
)


def variables(sandbox: SandboxServer) -> dict[str, str]:
    """The environment of a program whose providers and authorization servers are all in the sandbox."""
    found = {
        "INTEGRATIONS_AIRTABLE_API_URL": sandbox.airtable_url,
        "INTEGRATIONS_AIRTABLE_OAUTH_URL": sandbox.airtable_oauth_url,
        "INTEGRATIONS_MAILCHIMP_API_URL": sandbox.mailchimp_url,
        "INTEGRATIONS_MAILCHIMP_OAUTH_URL": sandbox.mailchimp_oauth_url,
        "INTEGRATIONS_HUBSPOT_API_URL": sandbox.hubspot_url,
        "INTEGRATIONS_HUBSPOT_AUTH_URL": f"{sandbox.url}/oauth/hubspot/authorize",
        "INTEGRATIONS_HUBSPOT_TOKEN_URL": f"{sandbox.url}/oauth/hubspot/token",
        "INTEGRATIONS_GMAIL_API_URL": sandbox.gmail_url,
        "INTEGRATIONS_PEOPLE_API_URL": sandbox.people_url,
        GOOGLE_TOKEN: sandbox.google_token_url,
        GOOGLE_AUTH: sandbox.google_auth_url,
    }
    for provider, client in DEFAULT_OAUTH_CLIENTS.items():
        found[f"{provider.upper()}_CLIENT_ID"] = client.id
        found[f"{provider.upper()}_CLIENT_SECRET"] = client.secret or ""
    return found


@dataclass(slots=True)
class Time:
    """The program's clock, ahead of the real one by as much as a test says."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, kw_only=True)
class Place(Environment):
    """An environment with OAuth, and a clock that moves the program and the sandbox together."""

    time: Time
    network: Loopback

    @property
    def runtime(self) -> Runtime:
        """As the program builds it, on this clock; waits between attempts are not made."""
        return replace(self.wiring.runtime, clock=self.time.now, sleep=lambda _: None, transport=self.network)

    def runtime_with(self, **values: Any) -> Runtime:
        return replace(self.runtime, **values)

    def runtime_whose_waits_pass(self) -> Runtime:
        """Waits between attempts take their time, but only on the clock that the program and the sandbox share."""
        return replace(self.runtime, sleep=lambda seconds: self.pass_time(seconds=seconds))

    def pass_time(self, **span: float) -> None:
        self.time.ahead += timedelta(**span)
        self.sandbox.stage.clock.advance(timedelta(**span).total_seconds())

    # Connections

    def authorised(self, slug: str = "acme", people: int = 0, **settings: Any) -> ConnectionRow:
        """A workspace with an Airtable base of its own, connected by OAuth."""
        workspace_id = self.add_workspace(slug, people)
        self.connect(workspace_id, **settings)
        return self.grant(workspace_id, "airtable")

    def grant(self, workspace_id: UUID, provider: str, settings: Mapping[str, Any] | None = None) -> ConnectionRow:
        """The workspace's connection with tokens that the sandbox grants now; settings stay unless given."""
        return self.store(workspace_id, provider, self.granted(provider), settings)

    def granted(self, provider: str) -> dict[str, Any]:
        """Credentials as `connections authorize` would store them."""
        answer = self.sandbox.oauth.grant("google" if provider == "gmail" else provider)
        seconds = answer.get("expires_in")
        fresh = Tokens(
            access_token=answer["access_token"],
            refresh_token=answer.get("refresh_token", ""),
            expires_in=timedelta(seconds=seconds) if seconds else None,
        )
        return fresh.credentials({"dc": "us1"} if provider == "mailchimp" else {}, self.time.now())

    def store(
        self,
        workspace_id: UUID,
        provider: str,
        credentials: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
    ) -> ConnectionRow:
        runtime = self.wiring.runtime
        with runtime.database.workspace(workspace_id) as connection:
            before = connections.get_connection(connection, workspace_id, provider)
            new = NewConnection(
                integration_type=provider,
                credentials=credentials,
                settings=settings if settings is not None else before.settings if before else {},
                oauth_provider=provider,
            )
            return connections.save_connection(connection, workspace_id, new, runtime.cipher)

    def row(self, like: ConnectionRow) -> ConnectionRow:
        """The connection as it is now."""
        return self.connection(like.workspace_id, like.integration_type)

    def connection(self, workspace_id: UUID, provider: str) -> ConnectionRow:
        with self.wiring.runtime.database.workspace(workspace_id) as connection:
            return connections.find_connection(connection, workspace_id, provider)

    def credentials(self, row: ConnectionRow) -> dict[str, Any]:
        """What is stored for it now, decrypted."""
        return self.row(row).decrypted(self.wiring.runtime.cipher)

    def change(self, row: ConnectionRow, **values: Any) -> None:
        """Change stored credentials behind everybody's back, as time and other programs do."""
        runtime = self.wiring.runtime
        fresh = self.credentials(row) | values
        with runtime.database.workspace(row.workspace_id) as connection:
            tokens.save_credentials(connection, row.id, fresh, runtime.cipher)

    def expire(self, row: ConnectionRow) -> None:
        """The access token is over: here by its time, and at the provider."""
        known = self.credentials(row)
        self.sandbox.oauth.expire_access(known["access_token"])
        self.change(row, token_expires_at=self.time.now().isoformat())

    def keeper(self, row: ConnectionRow, **values: Any) -> TokenKeeper:
        """A keeper of its own, as another run would have one; `values` replace parts of the runtime."""
        return self.keeper_of(row, self.credentials(row), **values)

    def keeper_of(self, row: ConnectionRow, credentials: Mapping[str, Any], **values: Any) -> TokenKeeper:
        """The same, for one that has read these credentials."""
        source = token_source(self.runtime_with(**values), row, credentials)
        assert isinstance(source, TokenKeeper)
        return source

    def spec(self, provider: str) -> OAuthSpec:
        """Airtable's or Mailchimp's own, or what stands for Google's."""
        found = GOOGLE if provider == "google" else provider_specs()[provider].oauth
        assert found is not None
        return found

    def client_id(self, provider: str) -> str:
        return DEFAULT_OAUTH_CLIENTS[provider].id

    def exchange(
        self, spec: OAuthSpec = GOOGLE, client: OAuthClient | None = None, addresses: Mapping[str, str] | None = None
    ) -> OAuthExchange:
        """The exchange of our client at one of the sandbox's servers."""
        known = DEFAULT_OAUTH_CLIENTS[spec.client.lower()]
        ours = OAuthClient(id=known.id, secret=known.secret or "")
        found = variables(self.sandbox) | dict(addresses or {})
        return OAuthExchange(spec, client or ours, found, transport=self.network, sleep=lambda _: None)

    def answer_to(self, address: str) -> str:
        """Where the browser of a person is sent who follows the address; the sandbox consents for them."""
        with httpx.Client(transport=self.network) as http:
            answer = http.get(address)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    def answer_of_browser(self, address: str) -> str:
        """The page on which a browser ends up that follows every redirect."""
        with httpx.Client(transport=self.network, follow_redirects=True) as http:
            return http.get(address).text

    def sync(self, row: ConnectionRow, runtime: Runtime | None = None, **wanted: Any) -> SyncReport:
        with self.wiring.database.admin() as connection:
            slug = connection.exec_driver_sql(
                "select slug from workspaces where id = %(id)s", {"id": str(row.workspace_id)}
            ).scalar_one()
        request = SyncRequest(
            workspace=slug, provider=row.integration_type, direction=Direction.BIDIRECTIONAL, **wanted
        )
        return run_sync(runtime or self.runtime, request)

    # The database

    def limit_database(self, milliseconds: int) -> set[str]:
        """Give the database every time limit that its server knows for a transaction; returns their names."""
        found = self.rows(
            "select name from pg_settings where name in ('lock_timeout', 'statement_timeout', "
            "'idle_in_transaction_session_timeout', 'transaction_timeout')"
        )
        limits = {str(name) for (name,) in found}
        with self._server() as cursor:
            for limit in limits:
                cursor.execute(f'alter database "{self._database_name}" set {limit} = {milliseconds}')
        self.wiring.database.close()
        return limits

    def close_database(self) -> None:
        """Nobody is connected to the database, and nobody can connect."""
        with self._server() as cursor:
            cursor.execute(f'alter database "{self._database_name}" with allow_connections false')
            self._end_sessions(cursor)

    def open_database(self) -> None:
        with self._server() as cursor:
            cursor.execute(f'alter database "{self._database_name}" with allow_connections true')

    def is_closed(self) -> bool:
        with self._server() as cursor:
            cursor.execute("select not datallowconn from pg_database where datname = %s", (self._database_name,))
            return bool(cursor.fetchone()[0])

    def end_sessions(self) -> None:
        """As a server that restarts, or a network that breaks: everybody's connection is gone."""
        with self._server() as cursor:
            self._end_sessions(cursor)

    def busy_sessions(self) -> int:
        """Sessions that are in a transaction, seen from outside."""
        with self._server() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where datname = %s and state <> 'idle'", (self._database_name,)
            )
            return int(cursor.fetchone()[0])

    def cancel_waiting(self) -> int:
        """As an operator who ends a statement that waits for a row; returns how many were ended."""
        with self._server() as cursor:
            cursor.execute(
                "select count(pg_cancel_backend(pid)) from pg_stat_activity where datname = %s "
                "and wait_event_type = 'Lock' and wait_event <> 'advisory'",
                (self._database_name,),
            )
            return int(cursor.fetchone()[0])

    def waiting_sessions(self) -> int:
        """Sessions that wait for somebody else's renewal."""
        with self._server() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where datname = %s and wait_event = 'advisory'",
                (self._database_name,),
            )
            return int(cursor.fetchone()[0])

    def _end_sessions(self, cursor: Any) -> None:
        cursor.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", (self._database_name,)
        )

    @property
    def _url(self) -> str:
        return self.variables["INTEGRATIONS_DATABASE_URL"]

    @property
    def _database_name(self) -> str:
        return self._url.split("?")[0].rpartition("/")[2]

    @contextmanager
    def _server(self) -> Iterator[Any]:
        """A cursor in another database of the same server."""
        with closing(psycopg2.connect(self._url.replace(f"/{self._database_name}", "/postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    # Looking

    def works(self, provider: str, access_token: str) -> bool:
        """Whether the provider's API takes this token now."""
        stage = self.sandbox.stage
        return stage.grants.find(provider, access_token, stage.clock.now()) is not None

    def renewals(self, provider: str = "airtable") -> Counter[str]:
        """What the token endpoint said to refreshes, however its answers got lost: result → count."""
        found = self.sandbox.oauth.token_requests(provider)
        return Counter({result: count for (kind, result), count in found.items() if kind == "refresh_token"})

    def fault(self, provider: str, action: Any, **rule: Any) -> None:
        """Trouble at a token endpoint."""
        self.fault_at(TOKEN_PATHS[provider] + "$", action, **rule)

    def fault_at(self, path: str, action: Any, **rule: Any) -> None:
        self.sandbox.airtable.add_fault(FaultRule(action=action, path_regex=path, **rule))

    def requests(self, path: str = "/") -> list[LoggedRequest]:
        """What arrived at the providers and their authorization servers."""
        return [entry for entry in self.sandbox.stage.log.entries() if entry.path.startswith(path)]

    def place_of(self, row: ConnectionRow) -> tuple[str, str]:
        """Base and table of an Airtable connection."""
        return row.settings["base_id"], row.settings["table_id"]

    def records(self, row: ConnectionRow) -> list[dict[str, Any]]:
        return self.sandbox.airtable.records(*self.place_of(row))

    def is_due(self, row: ConnectionRow) -> bool:
        """Whether the scheduler would start it, however long one waits."""
        with self.wiring.database.admin() as connection:
            due = fleet.due_connections(connection, self.time.now() + timedelta(days=365), 100)
        return row.integration_type in {found.integration_type for found in due}

    def status(self, row: ConnectionRow) -> tuple[str, int]:
        now = self.row(row)
        return now.status, now.error_count

    def activity(self, row: ConnectionRow) -> list[str]:
        with self.wiring.database.admin() as connection:
            statement = "select action from integration_activity where workspace_id = %(id)s order by created_at"
            return list(connection.exec_driver_sql(statement, {"id": str(row.workspace_id)}).scalars())

    def log(self, row: ConnectionRow) -> list[dict[str, Any]]:
        """The log rows of the workspace, newest first."""
        with self.wiring.runtime.database.workspace(row.workspace_id) as connection:
            return sync_log.list_logs(connection, row.workspace_id)

    def everything_written(self) -> str:
        """Every row of every table of ours, as text."""
        return "\n".join(
            json.dumps(found[0], default=str)
            for table in TABLES
            for found in self.rows(f"select to_jsonb(t) from {table} t")
        )


def wait_for(happened: Callable[[], bool]) -> None:
    """Until another thread or process has come so far; it runs at its own pace."""
    give_up_at = time.monotonic() + patient(60)
    while not happened():
        assert time.monotonic() < give_up_at, "it never happened"
        time.sleep(0.01)


def secrets_of(sandbox: SandboxServer) -> set[str]:
    """Every secret that passed over the wire: states, codes, verifiers, tokens of both kinds, client secrets."""
    found = {client.secret for client in DEFAULT_OAUTH_CLIENTS.values() if client.secret}
    for entry in sandbox.stage.log.entries():
        found |= {value for name, value in entry.query if name == "state"}
        if isinstance(entry.body, str) and "oauth" in entry.path:
            form = httpx.QueryParams(entry.body)
            found |= {form[name] for name in ("code", "code_verifier", "refresh_token") if name in form}
        if entry.token:
            found.add(entry.token)
    return {secret for secret in found if secret}


def leaked(secrets: Iterable[str], *texts: str) -> list[str]:
    """The secrets that stand in any of the texts."""
    return sorted(secret for secret in secrets if any(secret in text for text in texts))
