"""A champion whose bytes were lost is made again from the policy that it was copied from."""

from rl_assets.errors import CorruptObject
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.inputs import OutputScope, Publication
from rl_assets.resources.promotion import model_facts
from rl_assets.store.bundles import CHAMPION_FILE, policy_file
from rl_assets.store.history import ChampionHistory


def restore_champion(scope: OutputScope, *, env: str, history: ChampionHistory, log: EventLog) -> Publication | None:
    """Write the reigning champion's lost or damaged files again.

    Nothing is decided anew: bytes, data version, inputs and generation are those of the promotion.

    Args:
        scope: of `promoted_models` in this environment.
        env: env key.
        history: the environment's champions.
        log: what Dagster remembers.

    Returns:
        The promotion, to be logged again; None where there is no champion, or nothing of it is lost.

    Raises:
        InputNotFound: the policy's record is gone.
        ObjectNotFound: the policy's bytes are gone too.
        CorruptObject: the policy's bytes are damaged too, or the champion's entry does not describe this policy.
        StoreUnavailable: the disk refused.
    """
    promoted, champion = scope.find("promoted_models", env), history.current()
    if promoted is None or champion is None or promoted.data_version != champion.data_version:
        return None
    if scope.is_intact(promoted):
        return None
    policy = scope.open(log.at_input(promoted, "trained_policies", f"{env}|{champion.hparam}")).artifact
    rewritten = scope.publish(
        kind="promoted_model",
        files={CHAMPION_FILE: policy.read(policy_file(champion.member_seed))},
        facts=model_facts(
            policy,
            hparam=champion.hparam,
            member_seed=champion.member_seed,
            verdict=str(champion.verdict.get("id")),
        ),
        config_hash=promoted.metadata["rl/config_hash"],
        metadata={},
    )
    if rewritten.data_version != champion.data_version:
        raise CorruptObject(
            f"promoted_models[{env}]: the champion cannot be made again: its policy gives "
            f"'{rewritten.data_version[:12]}', and '{champion.data_version[:12]}' was promoted: put its files back "
            "from a backup; `rlctl doctor` names them"
        )
    return scope.republish(promoted)
