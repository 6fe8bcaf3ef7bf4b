from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from memsvc.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def test_the_wheel_puts_one_name_into_site_packages_and_carries_the_server(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"memsvc"}
    for part in (
        "sdk/client.py",
        "_bundled/api/app.py",
        "_bundled/migrations/env.py",
        "_bundled/eval/commands/evaluation.py",
    ):
        assert f"memsvc/{part}" in names


def test_an_installed_wheel_finds_its_rooms_and_serves_from_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "from memsvc import rooms; rooms.make_importable(); import api.app, eval.commands.evaluation; print(rooms.root(), api.app.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.count(str(tmp_path / "site" / "memsvc" / "_bundled")) == 2


def test_no_file_is_read_by_a_parser_that_could_run_it() -> None:
    """Beside ruff's S301 and S302, which refuse pickle and marshal: the libraries' own ways around."""
    unsafe = re.compile(
        r"\b(torch\.load|joblib|dill|shelve|yaml\.load)\b|allow_pickle\s*=\s*True|trust_remote_code\s*=\s*True"
        r"|use_safetensors\s*=\s*False|weights_only\s*=\s*False"
    )
    read = [path for room in ("memsvc", "api", "eval", "workers") for path in (ROOT / room).rglob("*.py")]
    assert len(read) > 100
    assert [str(path) for path in read if unsafe.search(path.read_text())] == []
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert {"S301", "S302"} <= set(lint["select"])


def test_the_base_dependencies_stay_light() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [requirement.split(">")[0] for requirement in project["dependencies"]] == ["httpx", "pydantic"]


def test_the_compose_file_is_complete() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["api"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["api"]["environment"]["MEMSVC_DATABASE_URL"].startswith("postgresql://memsvc:")
    assert "healthcheck" in services["database"]
    redis = services["redis"]
    assert redis["command"] == ["redis-server", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
    assert services["worker"]["command"] == ["memsvc", "worker"]
    assert services["worker"]["environment"] == services["api"]["environment"]
    assert services["api"]["environment"]["MEMSVC_JOB_BROKER_URL"].startswith("redis://redis:")
    assert services["api"]["environment"]["MEMSVC_JOB_IN_SERVER"] == "false"
    assert all("stop_grace_period" in service for service in services.values())
    assert all("healthcheck" in services[name] for name in ("database", "redis"))
    assert all(port.startswith("127.0.0.1:") for port in services["api"]["ports"])
    folder = services["api"]["environment"]["MEMSVC_ERASURES_DIR"]
    assert services["api"]["volumes"] == services["worker"]["volumes"] == [f"erasures:{folder}"]
    assert f"install -d -o memsvc /data {folder}\n" in (ROOT / "Dockerfile").read_text()


def test_kubernetes_takes_the_manifests_and_their_parts_find_each_other() -> None:
    documents = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "cell.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, "1.33", strict=True)
    (deployment,) = [document for document in documents if document["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    for service in (document for document in documents if document["kind"] == "Service"):
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (given,) = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    named = [*given, *(item["name"] for item in container["env"])]
    known = {
        f"{group.model_config.get('env_prefix', 'MEMSVC_')}{field}".upper()
        for group in vars(Settings()).values() for field in type(group).model_fields
    }  # fmt: skip
    assert set(named) <= known
    (claim,) = [document for document in documents if document["kind"] == "PersistentVolumeClaim"]
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume
    }  # fmt: skip
    assert claims[mounted[given["MEMSVC_ERASURES_DIR"]]] == claim["metadata"]["name"]
    hosts = {probe["httpGet"]["httpHeaders"][0]["value"] for name, probe in container.items() if name.endswith("Probe")}
    assert hosts <= set(given["MEMSVC_ALLOWED_HOSTS"].split(","))
    for wrong in ({"replicas": "two"}, {"replica": 2}):
        broken = deployment | {"spec": deployment["spec"] | wrong}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, "1.33", strict=True)


def test_the_compose_file_of_cells_sets_each_up_before_its_service_begins() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "docker-compose.cells.yml").read_text())["services"]
    told = services["cells"]["command"][-1]
    for cell in ("north", "south", "west"):
        given = services[cell]["environment"]
        assert given["MEMSVC_CELL_NAME"] == cell and given["MEMSVC_DATABASE_POOLED"] == "true"
        assert f"@{cell}-database:" in given["MEMSVC_DATABASE_URL"]
        assert f"@{cell}-pooler:" in given["MEMSVC_DATABASE_APP_URL"]
        assert services[cell]["depends_on"]["cells"]["condition"] == "service_completed_successfully"
        assert services[f"{cell}-pooler"]["environment"]["DB_HOST"] == f"{cell}-database"
        assert "wal_level=logical" in services[f"{cell}-database"]["command"]
        assert f"{cell} --url http://{cell}:8377" in told
        assert services[cell]["volumes"] == [f"erasures:{given['MEMSVC_ERASURES_DIR']}"]
    shipped = (ROOT / "deploy" / "nginx.conf").read_text()
    for changed in re.findall(r"-e 's/([^/]+)/", services["front"]["command"][-1]):
        assert changed in shipped
    assert all("stop_grace_period" in service for service in services.values())


def test_sizes_are_kept() -> None:
    from tests import sizes

    assert sizes.problems(ROOT) == []
