"""What deploy/ promises agrees with the code and with itself."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from thumbtune.core.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
YAML_FILES = sorted(DEPLOY.rglob("*.yaml"))


def known_variables() -> set[str]:
    """Every environment variable that a setting reads."""
    names = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    for field in Settings.model_fields.values():
        names.update(str(choice) for choice in getattr(field.validation_alias, "choices", ()))
    return names


def allowed_calls(path: Path) -> set[str]:
    """What a proxy configuration lets through: method and path."""
    return set(re.findall(r'^ *"((?:GET|POST|PUT|DELETE) /[^"]*)" 1;$', path.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("path", [*YAML_FILES, ROOT / ".env.example", *DEPLOY.rglob("*.service")], ids=lambda p: p.name)
def test_every_variable_that_deployments_set_is_one_of_our_settings(path: Path) -> None:
    used = set(re.findall(r"\b(?:THUMBTUNE|SLACK)_[A-Z_]+\b", path.read_text()))
    assert used - known_variables() == set()


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda p: p.name)
def test_every_manifest_can_be_read(path: Path) -> None:
    assert all(isinstance(document, dict) for document in yaml.safe_load_all(path.read_text()))


def test_proxies_let_through_only_calls_that_the_code_makes() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "thumbtune").rglob("*.py"))
    allowed = allowed_calls(DEPLOY / "proxy/nginx.conf")
    by_the_client_library = {"POST /v1/chat/completions"}
    assert {call for call in allowed - by_the_client_library if call.split()[1] not in code} == set()
    assert {"GET /health", "GET /v1/models", "POST /v1/chat/completions", "POST /v1/load_lora_adapter"} <= allowed


def test_proxies_let_through_every_call_that_serving_makes() -> None:
    code = (ROOT / "thumbtune/serving/replica.py").read_text() + (ROOT / "thumbtune/core/inference.py").read_text()
    called = set(re.findall(r'"(/(?:v1/)?[a-z_]+(?:/[a-z_]+)*)"', code)) - {"/v1"}
    assert {"/health", "/metrics", "/tokenize", "/v1/models"} <= called
    assert called <= {call.split()[1] for call in allowed_calls(DEPLOY / "proxy/nginx.conf")}


def test_proxy_inside_the_cluster_lets_through_what_the_outer_one_does() -> None:
    assert allowed_calls(DEPLOY / "kubernetes/nginx.conf") == allowed_calls(DEPLOY / "proxy/nginx.conf")


def compose_services() -> dict[str, dict[str, Any]]:  # Any: YAML
    services: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


@pytest.mark.parametrize("name", sorted(compose_services()))
def test_containers_run_unprivileged_on_a_read_only_file_system(name: str) -> None:
    service = compose_services()[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service


@pytest.mark.parametrize("name", sorted(set(compose_services()) - {"bot"}))
def test_only_the_bot_has_a_network_and_slack_s_tokens(name: str) -> None:
    service = compose_services()[name]
    assert service["network_mode"] == "none"
    if name != "vllm":
        assert all(service["environment"][secret] == "" for secret in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"))


def test_bot_starts_while_the_database_is_away_and_migrates_when_it_is_back() -> None:
    pods = list(yaml.safe_load_all((DEPLOY / "kubernetes/bot.yaml").read_text()))
    pod = pods[0]["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert pod["containers"][0]["command"] == ["sh", "-c", "thumbtune migrate; exec thumbtune bot"]
    unit = (DEPLOY / "systemd/thumbtune@.service").read_text()
    assert "Requires=" not in unit
    assert re.search(r"^Wants=.*thumbtune-migrate", unit, flags=re.MULTILINE)
    assert "Restart=on-failure" in (DEPLOY / "systemd/thumbtune-migrate.service").read_text()


def test_vllm_is_started_alike_everywhere() -> None:
    pods = list(yaml.safe_load_all((DEPLOY / "kubernetes/vllm.yaml").read_text()))
    in_cluster = pods[0]["spec"]["template"]["spec"]["containers"][0]
    in_compose = compose_services()["vllm"]
    assert in_cluster["image"] == in_compose["image"]
    by_default = {re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in in_compose["command"]}
    assert by_default - set(in_cluster["args"]) == {"--gpu-memory-utilization=0.45"}
    assert set(in_cluster["args"]) <= by_default
    assert not any(argument.startswith(("--host", "--port")) for argument in in_compose["command"])
