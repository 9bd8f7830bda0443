"""Where a training's first weights come from: a champion, or a policy that was trained before."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from rl_assets.config.expectations import Wording
from rl_assets.config.keys import MAX_KEY_LENGTH, check_key
from rl_assets.config.strict import StrictModel
from rl_assets.errors import InvalidPartitionKey

CHAMPION = "champion"

PolicyKey = Annotated[str, Wording(f"'{CHAMPION}', or the hparam key of a policy")]


def _is_none(value: object) -> bool:
    return value is None


class InitFrom(StrictModel):
    """The policy whose weights a training starts from, as a sweep names it."""

    WRITTEN_AS: ClassVar[str] = f"'{CHAMPION}', an hparam key, or {{hparam: ..., env: ..., member_seed: ...}}"

    hparam: PolicyKey = Field(min_length=1, max_length=MAX_KEY_LENGTH)
    """`champion`, or the hparam key of a policy."""

    env: str | None = Field(default=None, exclude_if=_is_none, min_length=1, max_length=MAX_KEY_LENGTH)
    """Env key under which that champion or policy stands; left out: the training's own environment."""

    member_seed: int | None = Field(default=None, exclude_if=_is_none, ge=0, lt=2**31)
    """The one member that all seeds start from; left out: each seed starts from the member with its own."""

    @property
    def is_champion(self) -> bool:
        """Whether the promoted model is meant, whoever reigns when the sweep is materialized."""
        return self.hparam == CHAMPION

    @model_validator(mode="after")
    def _names_can_be_partitions(self) -> Self:
        try:
            check_key(self.hparam, kind="hparam")
            if self.env is not None:
                check_key(self.env, kind="env")
        except InvalidPartitionKey as error:
            raise ValueError(str(error)) from error
        if self.is_champion and self.member_seed is not None:
            raise ValueError(
                f"member_seed {self.member_seed} stands beside '{CHAMPION}', which has one member: leave it out, or "
                "name the hparam key of a policy"
            )
        return self

    def resolved(self, generations: Mapping[str, int] | None) -> "Parent":
        """The parent as a recipe holds it.

        Args:
            generations: env key -> generation of the champion that reigns there; None where none is meant, or where
                only the form of a sweep is checked.
        """
        return Parent(
            hparam=self.hparam,
            env=self.env,
            member_seed=self.member_seed,
            generations=dict(generations) if self.is_champion and generations is not None else None,
        )


class Parent(InitFrom):
    """The policy whose weights a training starts from, as a recipe holds it: part of what decides the training."""

    generations: dict[str, int] | None = Field(default=None, exclude_if=_is_none)
    """Env key -> generation of the champion that reigned there when the sweep was materialized; null for a policy."""

    @property
    def word(self) -> str:
        """A short form for keys: `champion.3`, the hash of a policy's key, or that with a member, `1f0c9a3b2e.m0`."""
        if self.is_champion:
            numbers = set((self.generations or {}).values())
            return f"{CHAMPION}.{numbers.pop()}" if len(numbers) == 1 else CHAMPION
        own_hash = self.hparam.rpartition("-")[2]
        return own_hash if self.member_seed is None else f"{own_hash}.m{self.member_seed}"

    def env_of(self, env_key: str) -> str:
        """Env key of the parent of a training in an environment."""
        return self.env or env_key
