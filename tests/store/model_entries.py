"""Entries of a history of models, as tests write them."""

from typing import Any

from rl_assets.store.transitions import ModelVersion, Transition

POLICY = {"namespace": "c-00000000aa", "sha256": "a" * 64, "size_bytes": 10}
AT = "2026-01-02T03:04:05+00:00"


def version(name: str = "b", **changes: Any) -> ModelVersion:
    """A version whose weights and data version begin with a hexadecimal digit."""
    fields: dict[str, Any] = {
        "hparam": f"ppo-lr=0.001-{name * 10}",
        "member_seed": 3,
        "policy": POLICY,
        "data_version": name * 64,
        "weights_sha256": name * 64,
    }
    return ModelVersion(**fields | changes)


def entry(name: str = "b", action: str = "promote", *, env: str = "CartPole-v1", **changes: Any) -> Transition:
    """What was done with a version."""
    fields: dict[str, Any] = {
        "env": env,
        "action": action,
        "model": version(name),
        "actor": "gate_passed",
        "at": AT,
        "reason": "the floor of 475 is reached",
        "evidence": {"id": "v", "decisions": []},
    }
    return Transition(**fields | changes)
