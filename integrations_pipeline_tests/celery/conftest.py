"""Fixtures of the tests of an installation over several machines."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations_pipeline_tests.celery.cluster import Cluster, open_cluster
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.postgres import PostgresServer


@pytest.fixture
def cluster(
    environment: Environment, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine: `apt-get install redis-server`, as .ci/run does")
    with postgres_server.new_database() as url, open_cluster(tmp_path, environment, url, monkeypatch) as found:
        yield found
