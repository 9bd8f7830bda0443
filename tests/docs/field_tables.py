"""The tables of fields in docs/sweeps.md, rendered from the models; run this file to write them anew."""

import re
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rl_assets.config.canonical import short_number
from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig, GatesConfig
from rl_assets.config.expectations import field_expectation
from rl_assets.config.experiment import ExperimentConfig, ExperimentEnv, ExperimentPolicy, ExperimentTrain
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig

PAGE = Path(__file__).parents[2] / "docs" / "sweeps.md"
MODELS: tuple[type[BaseModel], ...] = (
    SweepConfig,
    EnvConfig,
    DatasetDeclaration,
    PPOConfig,
    NetworkConfig,
    EvaluationConfig,
    GatesConfig,
    ExperimentConfig,
    ExperimentEnv,
    ExperimentPolicy,
    ExperimentTrain,
)
_TABLE = re.compile(r"(<!-- fields of (\w+) -->\n).*?(<!-- end of fields -->)", re.DOTALL)


def tables_in(page: str) -> dict[str, str]:
    """Model name -> the table that stands in a page."""
    return {match[2]: match[0] for match in _TABLE.finditer(page)}


def render_table(model: type[BaseModel]) -> str:
    """The table of one model, with the marks around it."""
    rows = [
        f"| `{name}` | {field_expectation(field)} | {_default(field)} | {field.description} |"
        for name, field in model.model_fields.items()
        if name != "name" or model is not PPOConfig
    ]
    head = f"<!-- fields of {model.__name__} -->\n| field | expects | default | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n<!-- end of fields -->"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{short_number(value)}`"
    if isinstance(value, BaseModel):
        return "as below"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    fresh = {model.__name__: render_table(model) for model in MODELS}
    PAGE.write_text(_TABLE.sub(lambda match: fresh[match[2]], PAGE.read_text()))
