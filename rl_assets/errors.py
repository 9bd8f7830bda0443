"""Every exception that a caller may want to react to.

RlAssetsError
├── BadInput                    refused before any compute; commands exit with 2
│   ├── InvalidConfig           a sweep, experiment or hyper-parameter that cannot be right
│   ├── InvalidPartitionKey     a key that Dagster or its UI would misread
│   ├── UnknownEnvironment      no such environment
│   ├── UnsupportedEnvironment  the environment exists, this version cannot train in it
│   ├── InvalidDataset          a dataset without an owner, or files that are not what they claim
│   ├── UnknownClient           no client of that name is registered
│   ├── UnknownPartition        nothing has that name
│   ├── UnknownRun              no run, or more than one, has that id
│   └── RunRefused              the run is not in a state, or not in a place, in which this can be done to it
├── TrainingError
│   ├── MemberDiverged          one member's numbers stopped being finite
│   ├── NotEnoughMemory         one member's rollout and network do not fit into this machine
│   ├── EnvironmentFault        an environment pool or its worker died or misbehaved
│   └── PartitionInUse          another run trains the same partition right now
├── ControlError
│   └── RunDidNotStop           a run was asked to stop and is still there
├── StoreError
│   ├── ObjectNotFound          the record points to bytes that are gone
│   ├── CorruptObject           the bytes are not those that were written
│   └── StoreUnavailable        the disk or bucket refused
├── LineageError
│   ├── ReadOutsideScope        an asset tried to read without saying for which output
│   └── InputNotFound           an input that was never materialized
└── PromotionError
    ├── PromotionConflict       somebody else promoted first
    └── NothingToPromote        there is no passing verdict to act on

A message names the thing, what was expected, what came, and what to do.
"""


class RlAssetsError(Exception):
    """Base of all errors raised on purpose by this package."""


class BadInput(RlAssetsError):
    """The request cannot be right; nothing was launched and nothing was written."""


class InvalidConfig(BadInput):
    """A configuration field is unknown, missing, of the wrong type or out of bounds."""


class InvalidPartitionKey(BadInput):
    """A partition key would be misread by Dagster or its UI."""


class UnknownEnvironment(BadInput):
    """No environment has that id or short name."""


class UnsupportedEnvironment(BadInput):
    """The environment exists, but its spaces, players or options cannot be trained in yet."""


class InvalidDataset(BadInput):
    """A dataset lacks an owner or a required word, or its files are not what they claim."""


class UnknownClient(BadInput):
    """No client of that name or pseudonym is registered."""


class UnknownPartition(BadInput):
    """No materialized partition, leaderboard or champion has that name."""


class UnknownRun(BadInput):
    """No run has that id, or several ids begin with it."""


class RunRefused(BadInput):
    """A run cannot be stopped or resumed: it has ended, still goes on, or belongs to another machine."""


class TrainingError(RlAssetsError):
    """Training of at least one member did not finish."""


class MemberDiverged(TrainingError):
    """One member's loss, parameters, observations or rewards stopped being finite."""

    def __init__(self, member: str, update: int, quantity: str, value: float) -> None:
        super().__init__(member, update, quantity, value)
        self.member, self.update, self.quantity, self.value = member, update, quantity, value

    def __str__(self) -> str:
        return (
            f"member '{self.member}' diverged in update {self.update}: {self.quantity} is {self.value}, expected "
            "finite "
            "numbers; lower its learning rate or max_grad_norm, or normalize its rewards"
        )


class NotEnoughMemory(TrainingError):
    """One member's rollout, minibatch and network need more memory than this machine has to give."""

    def __init__(self, member: str, needed: int, available: int) -> None:
        super().__init__(member, needed, available)
        self.member, self.needed, self.available = member, needed, available

    def __str__(self) -> str:
        return (
            f"member '{self.member}' needs about {self.needed / 1e9:.1f} GB before update 0, and "
            f"{self.available / 1e9:.1f} GB can be had: lower num_envs or num_steps, raise num_minibatches, choose a "
            "smaller network, or give the machine more memory"
        )


class EnvironmentFault(TrainingError):
    """An environment pool or the worker that steps it died or returned nonsense."""


class PartitionInUse(TrainingError):
    """Another run trains the same partition, and two would do the same work twice."""

    def __init__(self, partition: str, holder: str) -> None:
        super().__init__(partition, holder)
        self.partition, self.holder = partition, holder

    def __str__(self) -> str:
        return (
            f"partition '{self.partition}' is being trained by {self.holder}: wait until that ends, or stop it with "
            "`rlctl stop`, then launch or resume this again; what is done by then is kept"
        )


class ControlError(RlAssetsError):
    """A command to a run was not followed."""


class RunDidNotStop(ControlError):
    """A run was asked to stop and had not ended in time."""


class StoreError(RlAssetsError):
    """The artifact store could not do what was asked."""


class ObjectNotFound(StoreError):
    """A record points to an object that is not in the store."""


class CorruptObject(StoreError):
    """An object's bytes do not match its checksum or its format."""


class StoreUnavailable(StoreError):
    """The disk or bucket behind the store refused the operation."""


class LineageError(RlAssetsError):
    """The record of what was read would become wrong or incomplete."""


class ReadOutsideScope(LineageError):
    """An asset tried to read an input without an open output scope."""


class InputNotFound(LineageError):
    """An asset asked for an input that has never been materialized."""


class PromotionError(RlAssetsError):
    """A promotion could not be carried out."""


class PromotionConflict(PromotionError):
    """The champion changed between the decision and the promotion."""


class NothingToPromote(PromotionError):
    """There is no passing verdict to act on."""
