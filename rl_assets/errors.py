"""Every exception that a caller may want to react to.

RlAssetsError
├── BadInput                    refused before any compute; commands exit with 2
│   ├── InvalidConfig           a sweep, experiment or hyper-parameter that cannot be right
│   ├── InvalidPartitionKey     a key that Dagster or its UI would misread
│   ├── UnknownEnvironment      no such environment
│   ├── UnsupportedEnvironment  the environment exists, this version cannot train in it
│   ├── ParentMismatch          the policy to start from sees, computes or acts otherwise
│   ├── InvalidDataset          a dataset without an owner, or files that are not what they claim
│   ├── UnknownClient           no client of that name is registered
│   ├── HoldRefused             a legal hold cannot be placed or released so
│   ├── UnknownPartition        nothing has that name
│   ├── UnknownRun              no run, or more than one, has that id
│   ├── PlanStale               what an erasure would do has changed since its plan was shown
│   ├── ErasureRefused          an erasure, or its certificate, cannot be as asked for
│   └── RunRefused              the run is not in a state, or not in a place, in which this can be done to it
├── TrainingError
│   ├── GuardrailTripped        one member was stopped early; docs/runbooks/guardrails.md says what to do
│   │   ├── MemberDiverged      its numbers stopped being finite
│   │   ├── RewardOutOfRange    a reward is larger than any environment means it to be
│   │   ├── RewardOutlier       a reward is very many times larger than all before it
│   │   ├── ActionsSaturated    its actions do nothing but lie at their bounds
│   │   ├── PolicyJumped        one update made another policy of it
│   │   ├── ValueExploded       its critic's error grew without limit
│   │   ├── GradientExploded    its gradient grew without limit
│   │   ├── EntropyCollapsed    it explores no more
│   │   │   └── ActionDeviationCollapsed   the same, where actions are numbers
│   │   ├── ReturnCollapsed     it lost again what it had learned
│   │   └── WallTimeExceeded    the time that it was given is over
│   ├── NotEnoughMemory         one member's rollout and network do not fit into this machine
│   ├── EnvironmentFault        an environment pool or its worker died or misbehaved
│   ├── MetricFault             a metric of evaluation episodes failed or gave no number
│   ├── NotFilmed               an evaluation episode could not be filmed; its record stands
│   │   └── ReplayDiffers       what was played again is not the episode on record
│   ├── CheckpointLost          a checkpoint vanished between planning and training
│   ├── InexactResume           going on here would give other bits than going on where it began
│   └── PartitionInUse          another run trains the same partition right now
├── ControlError
│   ├── RunDidNotStop           a run was asked to stop and is still there
│   └── WorkGoesOn              work on erased data did not end
├── StoreError
│   ├── ObjectNotFound          the record points to bytes that are gone
│   ├── CorruptObject           the bytes are not those that were written
│   ├── StoreUnavailable        the disk or bucket refused
│   ├── ErasedData              the data was erased by an order
│   └── RegisterLocked          the key of the client register is missing, wrong or not private
├── AlertNotDelivered          a receiver of alerts did not take one
├── LineageError
│   ├── ReadOutsideScope        an asset tried to read without saying for which output
│   └── InputNotFound           an input that was never materialized
│       └── ParentMissing       the policy to start from, or the member that is needed, is not trained yet
├── ErasureError
│   ├── ErasureIncomplete       something of the data is still found; nothing is certified
│   ├── CertificateRejected     a certificate is not what was signed, not ours, or not in its place in the chain
│   └── SigningKeyLocked        the key that signs certificates is missing, malformed or not private
└── PromotionError
    ├── GateFault               an installed gate or metric misbehaved, so that nothing was decided
    ├── PromotionConflict       somebody else promoted first
    └── PromotionRefused        a rule forbids it; commands exit with 2
        ├── NothingToPromote     there is no version to act on
        ├── NothingToRollBackTo  there is no earlier version that could serve
        └── RoleMissing          the actor does not hold the role

A message names the thing, what was expected, what came, and what to do.
"""

from typing import ClassVar


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


class ParentMismatch(BadInput):
    """The policy that a training is to start from has another network, other spaces or another way of acting."""


class InvalidDataset(BadInput):
    """A dataset lacks an owner or a required word, or its files are not what they claim."""


class UnknownClient(BadInput):
    """No client of that name or pseudonym is registered."""


class HoldRefused(BadInput):
    """A legal hold lacks its reason, has been released already, or is on nothing that is registered."""


class UnknownPartition(BadInput):
    """No materialized partition, leaderboard or champion has that name."""


class UnknownRun(BadInput):
    """No run has that id, or several ids begin with it."""


class PlanStale(BadInput):
    """An erasure was confirmed by the id of a plan that is no longer what would be done."""


class ErasureRefused(BadInput):
    """An erasure lacks a decision, its ledger or plan is not as it was written, or it has not earned a certificate."""


class RunRefused(BadInput):
    """A run cannot be stopped or resumed: it has ended, still goes on, or belongs to another machine."""


class TrainingError(RlAssetsError):
    """Training of at least one member did not finish."""


class GuardrailTripped(TrainingError):
    """One member was stopped before its budget was spent, because of what one of its updates showed.

    Attributes:
        guardrail: the setting that decides; empty where none does.
        happened: what happened, in the past tense.
        advice: what to do about it.
        member: name of the member.
        update: number of the update, the first being 0.
        quantity: what was looked at.
        value: what it was.
        expected: what it should have been.
    """

    guardrail: ClassVar[str] = ""
    happened: ClassVar[str] = "was stopped"
    advice: ClassVar[str] = ""

    def __init__(self, member: str, update: int, quantity: str, value: float, expected: str) -> None:
        super().__init__(member, update, quantity, value, expected)
        self.member, self.update, self.quantity, self.value, self.expected = member, update, quantity, value, expected

    def __str__(self) -> str:
        setting = f" (guardrail {self.guardrail})" if self.guardrail else ""
        return (
            f"member '{self.member}' {self.happened} in update {self.update}: {self.quantity} is {self.value:.6g}, "
            f"expected {self.expected}{setting}; {self.advice}"
        )


class MemberDiverged(GuardrailTripped):
    """One member's loss, parameters, observations or rewards stopped being finite."""

    happened = "diverged"
    advice = "lower its learning rate or max_grad_norm, or normalize its rewards; if the environment gave it, mend that"

    def __init__(
        self,
        member: str,
        update: int,
        quantity: str,
        value: float,
        expected: str = "finite numbers",
        share: float = 1.0,
    ) -> None:
        super().__init__(member, update, quantity, value, expected)
        self.args = (*self.args, share)
        self.share = share
        """Share of the quantity's numbers in that update that are not finite."""


class RewardOutOfRange(GuardrailTripped):
    """A reward of one step is larger than the absolute limit."""

    guardrail = "max_reward"
    happened = "met a reward out of range"
    advice = "look at what the environment pays, and raise the limit if it means that much"


class RewardOutlier(GuardrailTripped):
    """A reward of one step is very many times larger than anything in earlier updates."""

    guardrail = "max_reward_ratio"
    happened = "met a reward unlike all before"
    advice = "look at what the environment pays, and raise the limit if rare large rewards belong to it"


class ActionsSaturated(GuardrailTripped):
    """Nearly all numbers of a continuous policy's actions lie at their bounds, for many updates in a row."""

    guardrail = "max_saturated_actions"
    happened = "got stuck at the bounds of its actions"
    advice = "lower its learning rate or squash its actions; if full throttle is right here, switch the guardrail off"


class PolicyJumped(GuardrailTripped):
    """The policy that an update left has next to nothing in common with the one that acted."""

    guardrail = "max_kl"
    happened = "jumped to another policy"
    advice = "lower its learning rate or clip_coefficient, or set target_kl"


class ValueExploded(GuardrailTripped):
    """The critic's error is very many times larger than is usual for this member."""

    guardrail = "max_value_loss_ratio"
    happened = "lost its critic"
    advice = "normalize its rewards, or lower its learning rate or value_coefficient"


class GradientExploded(GuardrailTripped):
    """The gradient before clipping is very many times larger than is usual for this member."""

    guardrail = "max_gradient_ratio"
    happened = "met an exploding gradient"
    advice = "normalize its rewards and observations, or lower its learning rate"


class EntropyCollapsed(GuardrailTripped):
    """The policy takes the same action again and again without a chance of another, for many updates in a row."""

    guardrail = "min_entropy"
    happened = "stopped exploring"
    advice = "lower its learning rate or raise entropy_coefficient"


class ActionDeviationCollapsed(EntropyCollapsed):
    """The deviation of a continuous policy's actions is practically zero, for many updates in a row."""

    guardrail = "min_action_deviation"


class ReturnCollapsed(GuardrailTripped):
    """The mean return fell far below the member's best, by more than noise, for many updates in a row."""

    guardrail = "max_return_drop"
    happened = "lost again what it had learned"
    advice = "lower its learning rate, let it anneal, or set target_kl"


class WallTimeExceeded(GuardrailTripped):
    """The time that the sweep gives a training is over before the budget of steps is spent."""

    guardrail = "max_wall_time_s"
    happened = "ran out of time"
    advice = "give the sweep a larger max_wall_time_s and launch it again: it goes on from its latest checkpoint"


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


class MetricFault(TrainingError):
    """A metric of evaluation episodes raised an error, or gave something else than a finite number."""


class NotFilmed(TrainingError):
    """There is no video of an evaluation episode; the episode itself was played and stands on record."""


class ReplayDiffers(NotFilmed):
    """An episode that was played again to be filmed has another return or length than the record says."""


class CheckpointLost(TrainingError):
    """A member's checkpoint was there when the training was planned, and was not when its turn came."""

    def __init__(self, member: str, update: int) -> None:
        super().__init__(member, update)
        self.member, self.update = member, update

    def __str__(self) -> str:
        return (
            f"member '{self.member}' was to go on from update {self.update}, but its checkpoint can no longer be "
            "read: "
            "launch it again and it goes on from an older one, or from the beginning"
        )


class InexactResume(TrainingError):
    """A training was interrupted under another numerics fingerprint, so that going on here would give other bits."""


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


class WorkGoesOn(ControlError):
    """A run works on data that is being erased, and does not end although it was told to."""


class StoreError(RlAssetsError):
    """The artifact store could not do what was asked."""


class ObjectNotFound(StoreError):
    """A record points to an object that is not in the store."""


class CorruptObject(StoreError):
    """An object's bytes do not match its checksum or its format."""


class StoreUnavailable(StoreError):
    """The disk or bucket behind the store refused the operation."""


class ErasedData(StoreError):
    """The data was erased by an order, or what is to be made stands on data that was."""


class RegisterLocked(StoreError):
    """The key that opens the client register is missing, wrong, malformed or readable by others."""


class LineageError(RlAssetsError):
    """The record of what was read would become wrong or incomplete."""


class ReadOutsideScope(LineageError):
    """An asset tried to read an input without an open output scope."""


class InputNotFound(LineageError):
    """An asset asked for an input that has never been materialized."""


class ParentMissing(InputNotFound):
    """The policy that a training starts from, or the member that is needed of it, is not trained yet.

    Attributes:
        child: what waits.
        parent: partition of the policy.
        reason: why it is not there.
        seen: event id of its newest materialization, which will not do; 0 where there is none.
    """

    def __init__(self, child: str, parent: str, reason: str, seen: int = 0) -> None:
        super().__init__(child, parent, reason, seen)
        self.child, self.parent, self.reason, self.seen = child, parent, reason, seen

    def __str__(self) -> str:
        return (
            f"trained_policies[{self.child}] starts from trained_policies[{self.parent}], {self.reason}: train that "
            "first; this is requested again when it lands"
        )


class ErasureError(RlAssetsError):
    """An erasure could not be proved."""


class ErasureIncomplete(ErasureError):
    """Something of the erased data is still found, or made again; nothing is certified."""


class CertificateRejected(ErasureError):
    """A certificate was altered, was signed by another instance, or lacks its predecessor."""


class SigningKeyLocked(ErasureError):
    """The key that signs certificates is missing, malformed or readable by others."""


class PromotionError(RlAssetsError):
    """A promotion could not be carried out."""


class GateFault(PromotionError):
    """An installed gate raised or answered with nonsense, or a metric that a gate needs is missing."""


class PromotionConflict(PromotionError):
    """The champion changed between the decision and the promotion."""


class PromotionRefused(PromotionError):
    """A rule forbids this promotion or rollback; what is in production stays."""


class NothingToPromote(PromotionRefused):
    """There is no passing verdict and no staged or held version to act on."""


class NothingToRollBackTo(PromotionRefused):
    """No earlier version of the environment could take over."""


class RoleMissing(PromotionRefused):
    """The actor does not hold the role that this needs."""


class AlertNotDelivered(RlAssetsError):
    """A receiver of alerts could not be reached, or refused."""
