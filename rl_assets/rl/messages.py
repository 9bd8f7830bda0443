"""What a worker is told, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.errors import TrainingError
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.outcomes import Result
from rl_assets.rl.parents import ParentWeights
from rl_assets.rl.plan import Member
from rl_assets.rl.population import UpdateReport


@dataclass(frozen=True, kw_only=True)
class Job:
    """One chunk's work."""

    env: EnvConfig
    """The environment."""

    spaces: EnvSpaces
    """Its spaces."""

    members: tuple[Member, ...]
    """The population."""

    starts: tuple[Checkpoint | None, ...]
    """Where each member goes on; None: from the beginning."""

    parents: tuple[ParentWeights | None, ...]
    """What each member that starts at the beginning starts with; None: fresh weights, or it goes on."""

    stop: int
    """Updates after which all rest, for now or for good."""

    evaluation: EvaluationConfig | None
    """How to evaluate what was trained; None: not at all."""

    env_threads: int
    """Threads on which the environments are stepped."""

    demonstrations: Demonstrations | None = None
    """What all members learn from, where they learn from a dataset."""


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A sign of life."""


@dataclass(frozen=True, kw_only=True)
class SegmentEnd:
    """A segment, or the training, has ended."""

    checkpoints: Mapping[int, Checkpoint]
    """Of the members that still train, and once of those that are trained, by position in the job."""

    failures: Mapping[int, TrainingError]
    """Why members were stopped so far, by position in the job."""


Message = UpdateReport | Beat | SegmentEnd | list[Result]
