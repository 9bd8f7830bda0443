"""The fields of every configuration as rows of a table, for the command line and the documentation."""

from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rl_assets.config.algorithms import ALGORITHMS
from rl_assets.config.bc import BCConfig
from rl_assets.config.canonical import short_number
from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import (
    EvaluationConfig,
    GatesConfig,
    MetricLimits,
    NonInferiorityConfig,
    StabilityConfig,
)
from rl_assets.config.expectations import field_expectation
from rl_assets.config.experiment import ExperimentConfig, ExperimentEnv, ExperimentPolicy, ExperimentTrain
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.halving import HalvingConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.parent import InitFrom
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.sequence import SequenceStep
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig

TITLES: dict[type[BaseModel], str] = {
    SweepConfig: "A sweep",
    EnvConfig: "each item of envs",
    DatasetDeclaration: "dataset, declared in place",
    PPOConfig: "hyper-parameters of ppo, under fixed or grid",
    BCConfig: "hyper-parameters of bc, under fixed or grid",
    NetworkConfig: "network; its fields may also stand under fixed or grid",
    GuardrailsConfig: "guardrails",
    InitFrom: "init_from",
    SequenceStep: "each step of sequence",
    HalvingConfig: "halving",
    EvaluationConfig: "evaluation",
    GatesConfig: "gates",
    MetricLimits: "each metric of gates.metrics",
    StabilityConfig: "gates.stability",
    NonInferiorityConfig: "gates.non_inferiority",
    ExperimentConfig: "An experiment",
    ExperimentEnv: "env of an experiment",
    ExperimentPolicy: "policy of an experiment",
    ExperimentTrain: "train of an experiment",
}
"""Every model that a person writes, in the order of reading, and where in the file it stands."""


@dataclass(frozen=True, kw_only=True)
class FieldRow:
    """One field as a person needs to know it."""

    name: str
    expects: str
    """Type and bounds in words, the same as in errors."""
    default: str
    """As YAML writes it, or `required`, `none` or `as below`."""
    meaning: str


def field_rows(model: type[BaseModel]) -> tuple[FieldRow, ...]:
    """The fields of a model in the order of declaration; an algorithm's name is the sweep's own field."""
    return tuple(
        FieldRow(
            name=name,
            expects=field_expectation(field),
            default=_default(field),
            meaning=field.description or "",
        )
        for name, field in model.model_fields.items()
        if name != "name" or model not in ALGORITHMS.values()
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return short_number(value)
    if isinstance(value, BaseModel):
        return "as below"
    return str(list(value) if isinstance(value, tuple) else value)
