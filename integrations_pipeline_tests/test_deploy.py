"""What can be checked of the files in `deploy/` without a cluster: that programs read them, and that they agree.

Belongs here: parsing, Dagster's own check of `dagster.yaml`, systemd's of its units, names and versions. Does not:
running any of it (`celery/test_workers.py` does that for Redis and workers).
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]  # Dagster's own YAML library, without types
from dagster._grpc import utils as grpc_utils  # only it knows the names of its variables

from integrations_pipeline import settings
from integrations_pipeline.orchestration.instance import ENVIRONMENT
from integrations_pipeline.orchestration.storage import PooledPostgresStorage
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests import servers

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
YAML = sorted(DEPLOY.rglob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HOMES = sorted(DEPLOY.rglob("dagster.yaml"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
CONTAINERFILE = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
CONTAINER = DEPLOY / "container"
COMPOSE = CONTAINER / "compose.yaml"
VALUES = DEPLOY / "kubernetes" / "values.yaml"
BIN = Path(sys.executable).parent
#: What no program needs that neither opens credentials nor renews tokens.
SECRETS = {
    settings.ENCRYPTION_KEYS,
    settings.ALERT_URLS,
    *(f"{spec.oauth.client}_CLIENT_SECRET" for spec in provider_specs().values() if spec.oauth),
}
#: An image of somebody else's: its full version, such as `18.6-bookworm`, unless the deployment says which digest.
OTHERS_IMAGE = re.compile(r"\$\{[A-Z]+_IMAGE:-docker\.io/library/[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)*\}")
HARDENED = """
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictNamespaces=yes
LockPersonality=yes
SystemCallFilter=@system-service
UMask=0077
User=integrations
EnvironmentFile=/etc/integrations/environment
Restart=always
"""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@contextmanager
def opened(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url.replace("postgresql://", "postgresql+psycopg2://", 1))
    monkeypatch.setenv("DAGSTER_CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
    monkeypatch.setenv("DAGSTER_CELERY_BACKEND_URL", "redis://127.0.0.1:6379/1")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def test_there_is_something_to_check() -> None:
    assert {path.name for path in YAML} == {"dagster.yaml", "compose.yaml", "values.yaml"}
    assert len(UNITS) == 3
    assert len(HOMES) == 1


@pytest.mark.parametrize("path", YAML, ids=named)
def test_every_yaml_file_parses(path: Path) -> None:
    assert isinstance(read(path), dict)


@pytest.mark.parametrize("path", HOMES, ids=named)
def test_dagster_accepts_the_instance(path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path.parent, empty_database_url, monkeypatch) as instance:
        assert type(instance.run_launcher).__name__ == "CeleryRunLauncher"
        assert instance.run_launcher.supports_check_run_worker_health
        assert instance.run_monitoring_enabled
        assert instance.get_runs() == []
        storage = instance.get_ref().storage_data
        assert storage is not None
        assert isinstance(storage.rehydrate(PooledPostgresStorage), PooledPostgresStorage)


@pytest.mark.parametrize("key", ["run_monitoring", "concurrency"])
def test_dagster_would_refuse_a_key_that_it_does_not_know(
    key: str, tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = read(HOMES[0])
    document[key]["misspelt"] = 1
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")

    with (
        pytest.raises(dg.DagsterInvalidConfigError, match="misspelt"),
        opened(tmp_path, empty_database_url, monkeypatch),
    ):
        pass


def test_redis_gives_no_run_out_a_second_time_while_it_may_be_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
    monkeypatch.setenv("DAGSTER_CELERY_BACKEND_URL", "redis://127.0.0.1:6379/1")
    worker: dict[str, Any] = {}
    exec((DEPLOY / "celery" / "dagster_celery_config.py").read_text(encoding="utf-8"), worker)  # noqa: S102 - our file
    instance = read(HOMES[0])
    launcher = instance["run_launcher"]["config"]["config_source"]
    longest = instance["run_monitoring"]["max_runtime_seconds"]

    assert {name: worker[name] for name in launcher} == launcher
    assert worker["broker_transport_options"]["visibility_timeout"] > longest
    assert worker["result_expires"] > longest
    assert worker["worker_prefetch_multiplier"] == 1


def test_the_example_environment_has_every_variable_and_no_other() -> None:
    text = (DEPLOY / "container" / "environment.example").read_text(encoding="utf-8")
    given = set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE))
    needed = set(re.findall(r"env: ([A-Z_]+)", HOMES[0].read_text(encoding="utf-8")))
    clients = {f"{spec.name.upper()}_CLIENT_{part}" for spec in provider_specs().values() for part in ("ID", "SECRET")}

    assert needed <= given
    assert {settings.DATABASE_URL, settings.ENCRYPTION_KEYS} <= given
    ours = {name for name in given if name.startswith("INTEGRATIONS_")}
    named = {settings.DATABASE_URL, settings.ENCRYPTION_KEYS, settings.ALERT_URLS}
    assert ours == {*named, "INTEGRATIONS_WORKER_PROCESSES"}
    assert len(clients & given) >= 4


def test_the_containers_databases_belong_to_owners_who_are_no_superusers_and_upgrade() -> None:
    """The script that the container of Postgres runs once, with the passwords that it is given."""
    passwords = {"CONTACTS_PASSWORD": 'it\'s \\ "odd"', "DAGSTER_PASSWORD": "d"}
    with servers.running(18) as server:
        programs = servers.binaries(18)
        assert programs is not None
        environment = {
            **passwords,
            "PATH": f"{programs}:/usr/bin:/bin",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
        }
        subprocess.run([CONTAINER / "databases.sh"], env=environment, check=True, capture_output=True)
        with server.connected() as cursor:
            cursor.execute("select rolname from pg_roles where rolsuper")
            assert cursor.fetchall() == [("postgres",)]
            cursor.execute("select has_database_privilege('dagster', 'integrations', 'connect')")
            assert cursor.fetchall() == [(False,)]
            cursor.execute("select rolname, rolpassword is not null from pg_authid where rolcanlogin order by 1")
            assert cursor.fetchall() == [("dagster", True), ("integrations", True), ("postgres", False)]
        with closing(Database(server.url("integrations", "integrations"))) as database:
            assert database.upgrade()
            with database.workspace(uuid4()) as connection:
                assert connection.exec_driver_sql("select count(*) from workspaces").scalar() == 0


def test_the_containers_of_others_get_no_keys_and_no_program_of_ours_is_a_superuser() -> None:
    services = read(COMPOSE)["services"]
    ours = {name for name, service in services.items() if "build" in service}
    assert {name: service.get("env_file") for name, service in services.items() if name not in ours} == {
        "postgres": "postgres.environment",
        "redis": None,
    }
    given = (CONTAINER / "environment.example").read_text(encoding="utf-8")
    of_postgres = (CONTAINER / "postgres.environment.example").read_text(encoding="utf-8")
    names = re.compile(r"^([A-Z_]+)=", re.MULTILINE)
    assert set(names.findall(of_postgres)) == {"POSTGRES_PASSWORD", "CONTACTS_PASSWORD", "DAGSTER_PASSWORD"}
    assert set(names.findall(of_postgres)).isdisjoint(names.findall(given))
    users = dict(re.findall(r"^([A-Z_]+)=postgresql\S*://([a-z]+):", given, re.MULTILINE))
    assert users == {"INTEGRATIONS_DATABASE_URL": "integrations", "DAGSTER_POSTGRES_URL": "dagster"}


def test_every_container_that_stays_tells_whether_it_is_well() -> None:
    services = read(COMPOSE)["services"]
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"migrate"}
    programs = {service["healthcheck"]["test"][1] for service in services.values() if "healthcheck" in service}
    assert programs == {"pg_isready", "redis-cli", "python", "dagster-daemon", "/opt/deploy/celery/worker-alive.sh"}
    for script in (*CONTAINER.glob("*.sh"), *(DEPLOY / "celery").glob("*.sh")):
        assert os.access(script, os.X_OK)
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_on_kubernetes_only_what_runs_our_code_gets_keys() -> None:
    values = read(VALUES)
    assert "envSecrets" not in values["dagsterWebserver"]
    assert "envSecrets" not in values["dagsterDaemon"]
    assert all(each["envSecrets"] for each in values["dagster-user-deployments"]["deployments"])


def test_everything_that_the_image_copies_exists_and_it_runs_without_privileges() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    sources = [source for line in copies for source in line.split()]
    assert len(sources) >= 5
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert re.findall(r"^USER (\S+)", CONTAINERFILE, re.MULTILINE) == ["10001:10001"]
    assert CONTAINERFILE.count("--require-hashes") == 1


def test_images_of_others_have_their_full_version_and_take_a_digest() -> None:
    services = read(COMPOSE)["services"]
    images = [service["image"] for service in services.values() if "build" not in service]
    images += [service["build"]["args"]["PYTHON_IMAGE"] for service in services.values() if "build" in service]
    assert len(set(images)) == 3
    assert [image for image in images if not OTHERS_IMAGE.fullmatch(image)] == []
    assert re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    (python,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", CONTAINERFILE, re.MULTILINE)
    assert f"${{PYTHON_IMAGE:-{python}}}" in images
    assert python.partition(":")[2].startswith("3.11.")  # of which the lock file is


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A copy of the folder, beside a `docker` that knows an image by any name but one."""
    copy = Path(shutil.copytree(CONTAINER, tmp_path / "container"))
    docker = tmp_path / "docker"
    docker.write_text("""#!/bin/sh
for image; do :; done
[ "$image" != "$UNKNOWN" ] || exit 1
[ "$1" = pull ] || echo "${image%%:*}@sha256:$(printf %064d 7)"
""")
    docker.chmod(0o755)
    return copy


def pin(container: Path, unknown: str = "") -> int:
    variables = {"PATH": f"{container.parent}:/usr/bin:/bin", "UNKNOWN": unknown}
    return subprocess.run([container / "pin-images.sh"], env=variables, check=False, capture_output=True).returncode


def test_images_are_pinned_by_what_the_registry_says(container: Path) -> None:
    assert pin(container) == 0
    pinned = dict(line.split("=", 1) for line in (container / ".env").read_text(encoding="utf-8").splitlines())
    assert set(pinned) == set(re.findall(r"\$\{([A-Z_]+):-", COMPOSE.read_text(encoding="utf-8")))
    assert pinned["POSTGRES_IMAGE"] == f"docker.io/library/postgres@sha256:{7:064}"


def test_images_stay_pinned_as_they_were_if_one_cannot_be_had(container: Path) -> None:
    (container / ".env").write_text("as it was", encoding="utf-8")
    redis = read(COMPOSE)["services"]["redis"]["image"].partition(":-")[2].removesuffix("}")
    assert pin(container, unknown=redis) != 0
    assert (container / ".env").read_text(encoding="utf-8") == "as it was"
    assert list(container.glob(".env*")) == [container / ".env"]


def test_every_container_of_ours_has_no_more_rights_than_it_needs() -> None:
    ours = {name: service for name, service in read(COMPOSE)["services"].items() if "build" in service}
    needed = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "init": True}
    assert [name for name, service in ours.items() if not service.items() >= needed.items()] == []
    assert [name for name, service in ours.items() if "privileged" in service or "user" in service] == []


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_every_unit_has_no_more_rights_than_it_needs(unit: Path) -> None:
    lines = unit.read_text(encoding="utf-8").splitlines()
    assert [line for line in HARDENED.split() if line not in lines] == []


def test_the_commands_of_services_and_units_exist() -> None:
    services = read(COMPOSE)["services"]
    commands = [services[name]["command"][0] for name in ("migrate", "webserver", "daemon", "worker")]
    commands += [re.findall(r"^ExecStart=(\S+)", unit.read_text(), re.MULTILINE)[0] for unit in UNITS]
    scripts = {Path(command).name for command in commands}
    assert scripts == {"integrations", "dagster-webserver", "dagster-daemon", "worker.sh"}
    assert all((BIN / name).exists() for name in scripts - {"worker.sh"})
    assert os.access(DEPLOY / "celery" / "worker.sh", os.X_OK)
    subprocess.run(["sh", "-n", str(DEPLOY / "celery" / "worker.sh")], check=True)


def test_whatever_runs_dagster_has_its_environment() -> None:
    services, values = read(COMPOSE)["services"], read(VALUES)
    given = [service["environment"] for service in services.values() if "build" in service]
    pods = [values["dagsterWebserver"], values["dagsterDaemon"], *values["dagster-user-deployments"]["deployments"]]
    # The jobs of runs take over what their code server has.
    assert all(each["includeConfigInLaunchedRuns"]["enabled"] for each in pods[2:])
    given += [{each["name"]: each["value"] for each in pod["env"]} for pod in pods]
    given += [dict(re.findall(r"(DAGSTER_\w+)=(\S+)", unit.read_text(encoding="utf-8"))) for unit in UNITS]

    assert len(given) == 10
    assert [found for found in given if not found.items() >= ENVIRONMENT.items()] == []
    for page in ("README.md", "docs/operations.md", "docs/deploy.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"DAGSTER_GRPC_TIMEOUT_SECONDS={ENVIRONMENT['DAGSTER_GRPC_TIMEOUT_SECONDS']}" in text


def test_dagster_takes_these_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert grpc_utils.default_grpc_timeout() == 300
    assert grpc_utils.default_sensor_grpc_timeout() == grpc_utils.default_schedule_grpc_timeout() == 300
    assert grpc_utils.default_grpc_server_shutdown_grace_period() == 60  # type: ignore[no-untyped-call]  # it has none


def test_only_what_opens_credentials_has_the_key_and_everything_long_lived_is_asked_how_it_is() -> None:
    services, values = read(COMPOSE)["services"], read(VALUES)
    emptied = {
        name: {key for key, value in service["environment"].items() if value == ""}
        for name, service in services.items()
        if "build" in service
    }
    assert emptied == {"webserver": SECRETS, "daemon": set(), "worker": set(), "migrate": set()}
    assert [name for name, each in services.items() if "healthcheck" not in each] == ["migrate"]
    assert not any("envSecrets" in values[name] for name in ("dagsterWebserver", "dagsterDaemon"))
    assert "livenessProbe" in values["dagsterDaemon"]
    web = next(unit for unit in UNITS if "webserver" in unit.name).read_text(encoding="utf-8")
    assert set(re.findall(r"^UnsetEnvironment=(.+)$", web, re.MULTILINE)[0].split()) == SECRETS


def test_all_ways_name_the_version_that_is_here() -> None:
    values = read(VALUES)
    images = [
        values["dagsterWebserver"]["image"],
        values["dagsterDaemon"]["image"],
        *(found["image"] for found in values["dagster-user-deployments"]["deployments"]),
    ]
    assert {image["tag"] for image in images} == {VERSION}
    assert {service["image"] for service in read(COMPOSE)["services"].values() if "build" in service} == {
        f"integrations-pipeline:{VERSION}"
    }
    assert f"dagster/dagster --version {dg.__version__} " in VALUES.read_text(encoding="utf-8")


def test_kubernetes_runs_nothing_as_root_and_names_the_driver() -> None:
    values = read(VALUES)
    parts = [values["dagsterWebserver"], values["dagsterDaemon"], *values["dagster-user-deployments"]["deployments"]]
    assert all(part["podSecurityContext"]["runAsNonRoot"] for part in parts)
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


def test_what_is_deployed_has_the_versions_that_are_tested() -> None:
    pinned = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
    deployed, tested = (
        dict(pinned.findall(path.read_text(encoding="utf-8")))
        for path in (DEPLOY / "requirements.lock", ROOT / "requirements-dev.lock")
    )
    assert {"dagster", "dagster-celery", "redis", "dagster-k8s", "setuptools"} <= set(deployed)
    assert {name for name in set(deployed) & set(tested) if deployed[name] != tested[name]} == set()
    runtime = dict(pinned.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")))
    assert set(runtime) <= set(deployed)


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    """With programs of the named paths put in place: systemd looks whether they can be executed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine: Debian's package systemd has it")
    text = unit.read_text(encoding="utf-8")
    for program in re.findall(r"/opt/integrations/(\S+)", text):
        stub = tmp_path / program
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(text.replace("/opt/integrations", str(tmp_path)), encoding="utf-8")

    result = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")
