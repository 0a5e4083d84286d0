"""Clients that nobody here wrote, set up for the sandbox: Google's two libraries, Authlib, requests-oauthlib.

Belongs here: building them, and the lack of types in them. Does not belong here: assertions.
"""

import warnings
from typing import Any

import google.auth.transport.requests
import requests
from authlib.deprecate import AuthlibDeprecationWarning
from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import Flow
from requests_oauthlib import OAuth2Session  # type: ignore[import-untyped]
from requests_oauthlib.compliance_fixes import mailchimp_compliance_fix  # type: ignore[import-untyped]

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import NO_TLS
from integrations_pipeline_tests.sandbox.oauth.dance import REDIRECT
from integrations_sandbox import OAuthClient, SandboxServer

with warnings.catch_warnings():
    # It would rather have httpx's successor, and says so while it is imported.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import OAuth2Client


def google_credentials(
    server: SandboxServer, client: OAuthClient, refresh_token: str, scopes: list[str]
) -> Credentials:
    return Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=refresh_token,
        token_uri=server.google_token_url,
        client_id=client.id,
        client_secret=client.secret,
        scopes=scopes or None,
    )


def refresh(credentials: Credentials) -> None:
    with requests.Session() as session:
        session.trust_env = False
        credentials.refresh(google.auth.transport.requests.Request(session))  # type: ignore[no-untyped-call]


def google_flow(server: SandboxServer, client: OAuthClient, scopes: list[str]) -> Any:
    """The caller closes `oauth2session`. It talks to plain http only if the environment allows it."""
    config = {
        "client_id": client.id,
        "client_secret": client.secret,
        "auth_uri": server.google_auth_url,
        "token_uri": server.google_token_url,
    }
    flow = Flow.from_client_config({"web": config}, scopes, redirect_uri=REDIRECT)
    flow.oauth2session.trust_env = False
    return flow


def authlib_client(client: OAuthClient, token_url: str, **options: Any) -> Any:
    """The caller closes it."""
    return OAuth2Client(
        client.id,
        client.secret,
        redirect_uri=REDIRECT,
        token_endpoint=token_url,
        code_challenge_method="S256",
        verify=NO_TLS,
        trust_env=False,
        timeout=patient(5),
        **options,
    )


def mailchimp_session(client: OAuthClient) -> Any:
    """requests-oauthlib with its own treatment of Mailchimp's answers. The caller closes it."""
    session = mailchimp_compliance_fix(OAuth2Session(client.id, redirect_uri=REDIRECT))
    session.trust_env = False
    return session
