"""What the documentation shows of files in the project folder, and of serving, is what the program takes and does."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_assets import api
from rl_assets.config.alerts import KINDS, AlertsConfig
from rl_assets.config.roles import RolesConfig
from rl_assets.config.yaml import parse_yaml
from tests.conftest import PROJECT
from tests.defs.tiny_sweeps import tiny_sweep

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PLATFORM = (PROJECT / "docs" / "platform-engineer.md").read_text()
SERVING = [
    body
    for page in ("README.md", "docs/rl-engineer.md")
    for language, body in BLOCK.findall((PROJECT / page).read_text())
    if language == "python" and "load_champions" in body
]


def documents() -> list[dict[str, Any]]:
    return [parse_yaml(body, source="block") for language, body in BLOCK.findall(PLATFORM) if language == "yaml"]


def test_the_roles_and_receivers_that_are_shown_are_taken() -> None:
    roles = [RolesConfig.parse(shown, source="roles.yaml") for shown in documents() if "promoter" in shown]
    assert [item.promoter for item in roles] == [("alice", "bob")]
    (alerts,) = (AlertsConfig.parse(shown, source="alerts.yaml") for shown in documents() if "receivers" in shown)
    assert {receiver.to for receiver in alerts.receivers.values()} == {"log", "slack", "webhook", "sns"}


def test_every_kind_of_alert_is_explained() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ", PLATFORM, re.MULTILINE)
    explained = [kind for row in rows for kind in re.findall(r"`(\w+)`", row)]
    assert [kind for kind in KINDS if explained.count(kind) != 1] == []


@pytest.mark.parametrize("body", SERVING)
def test_the_block_on_serving_serves_the_champion(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    for name, value in {"DAGSTER_HOME": home, "RL_ASSETS_HOME": tmp_path / "state", "RL_ASSETS_ROOT": PROJECT}.items():
        monkeypatch.setenv(name, str(value))
    with api.open_installation() as installation:
        api.run_sweep(installation, tiny_sweep(seeds=1))
    names: dict[str, Any] = {}
    exec(body, names)
    assert names["policy"].act(np.zeros((1, 4), np.float32)).shape == (1,)


def test_serving_is_shown() -> None:
    assert len(SERVING) == 2
