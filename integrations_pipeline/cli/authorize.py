"""`integrations connections authorize`: a person gives access in the browser, the tokens are stored encrypted."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from integrations_pipeline.cli.connection_input import FileOption, FrequencyOption, known_settings, valid_settings
from integrations_pipeline.cli.loopback import PATH, PORT, WAIT_SECONDS, listening, open_browser
from integrations_pipeline.cli.output import (
    MOST_SECONDS,
    JsonOption,
    WorkspaceOption,
    find_workspace,
    finite,
    print_json,
    say,
    visible,
    warn,
    wired,
)
from integrations_pipeline.cli.places import SharedOption, require_own_place
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.oauth_spec import Consent, OAuthSpec, Tokens
from integrations_pipeline.store import connections, sync_log
from integrations_pipeline.store.connections import ConnectionRow, NewConnection
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.sync.runtime import Runtime, oauth_exchange


def authorize(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name, in lower case.")],
    workspace: WorkspaceOption,
    settings: Annotated[str | None, FileOption] = None,
    frequency_minutes: FrequencyOption = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address; paste where the browser ends up.")
    ] = False,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of the redirect address.")] = PORT,
    wait: Annotated[
        float, typer.Option(min=0, max=MOST_SECONDS, callback=finite, help="Seconds to wait for an answer.")
    ] = WAIT_SECONDS,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Do not ask whether it is the right account; nobody is asked without a terminal."),
    ] = False,
    shared: SharedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Connect a provider by OAuth: new, or again after its authorisation was lost. Nothing is forgotten."""
    if no_browser and settings == "-":
        raise ConfigurationError("--no-browser reads the pasted address from stdin: give --settings a file")
    with wired() as wiring:
        runtime = wiring.runtime
        spec = runtime.spec(provider)
        if spec.oauth is None:
            raise ConfigurationError(f"{provider} has no OAuth: `integrations connections add {provider}` takes a key")
        workspace_id = find_workspace(runtime, workspace)
        wanted = valid_settings(spec, known_settings(runtime, workspace_id, provider, settings))
        exchange = oauth_exchange(runtime, spec.oauth)
        consent = exchange.ask(f"http://{spec.oauth.redirect_host}:{port}{PATH}")
        with _answered(spec.oauth, consent, None if no_browser else _Browser(port=port, wait_seconds=wait)) as answer:
            tokens, beside = exchange.accept(consent, answer)
            is_asked = not yes and sys.stdin is not None and sys.stdin.isatty()
            _agree(spec.oauth, workspace, exchange.account(tokens), is_agreed=not is_asked)
        grant = _Grant(oauth=spec.oauth, tokens=tokens, beside=beside)
        new = _new(runtime, provider, wanted, grant, frequency_minutes)
        if not shared:
            require_own_place(runtime, workspace_id, new)
        row = _save(runtime, workspace_id, new)
    if as_json:
        print_json({"id": str(row.id), "workspace": workspace, "provider": provider, "status": row.status})
    else:
        say(f"authorised {provider} of {workspace}; `integrations connections check` tries it")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    oauth: OAuthSpec
    tokens: Tokens
    beside: dict[str, Any]


def _new(
    runtime: Runtime, provider: str, settings: dict[str, Any], grant: _Grant, frequency_minutes: int | None
) -> NewConnection:
    return NewConnection(
        integration_type=provider,
        credentials=grant.tokens.credentials(grant.beside, runtime.clock()),
        settings=settings,
        frequency_minutes=frequency_minutes,
        oauth_provider=grant.oauth.client.lower(),
    )


def _save(runtime: Runtime, workspace_id: Any, new: NewConnection) -> ConnectionRow:
    with runtime.database.workspace(workspace_id) as connection:
        row = connections.save_connection(connection, workspace_id, new, runtime.cipher)
        done = Activity(integration_name=new.integration_type, action="authorized", success=True)
        sync_log.record_activity(connection, workspace_id, done)
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Browser:
    port: int
    wait_seconds: float


@contextmanager
def _answered(oauth: OAuthSpec, consent: Consent, browser: _Browser | None) -> Iterator[str]:
    """The address that the browser ended up at; at the end of the block nobody else may have come for it."""
    if browser is None:
        yield _pasted(oauth, consent)
        return
    with listening(browser.port, consent) as server:
        warn(f"opening {oauth.title} in the browser; if nothing opens, go to:", server.start_address)
        open_browser(server.browser_address)
        answer = server.wait(browser.wait_seconds)
        if answer is None:
            raise ConfigurationError(
                f"nobody answered in the browser: run the command again, or with --no-browser; if {oauth.title} showed "
                f"an error page, it knows no client {oauth.client}_CLIENT_ID with the redirect address "
                f"{consent.redirect_uri}"
            )
        yield answer
        server.require_one_visitor()


def _agree(oauth: OAuthSpec, workspace: str, account: str, *, is_agreed: bool) -> None:
    """Whose account it is, before anything is stored: whoever answered may not be who was meant to."""
    if not account:
        return
    warn(f"connected: {account} at {oauth.title}")
    if not is_agreed and not typer.confirm(visible(f"Is that the account for {workspace}?"), err=True):
        raise ConfigurationError(
            f"not stored; to take the access back, remove it in the account's settings at {oauth.title}"
        )


def _pasted(oauth: OAuthSpec, consent: Consent) -> str:
    warn(
        f"open this address, give {oauth.title} your consent, and paste the address that the browser ends up at "
        f"(it begins with {consent.redirect_uri} and may show an error page):",
        consent.address,
    )
    pasted = sys.stdin.readline().strip()
    if not pasted:
        raise ConfigurationError("no address was pasted: run the command again")
    return pasted
