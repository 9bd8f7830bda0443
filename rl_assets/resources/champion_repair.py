"""What a kill or a lost file left undone: bytes of the champion made again, transitions told to the event log."""

from rl_assets.errors import CorruptObject
from rl_assets.resources.event_log import TRANSITION_KEY, Event, EventLog
from rl_assets.resources.inputs import OutputScope, Publication
from rl_assets.resources.promoted_versions import PROMOTED, as_champion, as_staged, model_facts, publish_again
from rl_assets.store.bundles import CHAMPION_FILE, policy_file
from rl_assets.store.history import ChampionHistory
from rl_assets.store.standing import Champion


def restore_champion(scope: OutputScope, *, env: str, history: ChampionHistory, log: EventLog) -> Publication | None:
    """Write the reigning champion's lost or damaged files again.

    Nothing is decided anew: bytes, data version, inputs and generation are those of the promotion.

    Args:
        scope: of `promoted_models` in this environment.
        env: env key.
        history: the environment's models.
        log: what Dagster remembers.

    Returns:
        The promotion, to be logged again; None where there is no champion, nothing of it is lost, or it is erased.

    Raises:
        InputNotFound: the policy's record is gone.
        ObjectNotFound: the policy's bytes are gone too.
        CorruptObject: the policy's bytes are damaged too, or the champion's entry does not describe this policy.
        StoreUnavailable: the disk refused.
    """
    promoted, champion = scope.find(PROMOTED, env), history.current()
    if promoted is None or champion is None or promoted.data_version != champion.data_version:
        return None
    if scope.is_erased(promoted) or scope.is_intact(promoted):
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


def record_champion(scope: OutputScope, *, env: str, history: ChampionHistory, log: EventLog) -> Publication | None:
    """Make the event log's newest record of the environment that of its champion.

    It is not where a run was killed between the swap and its record, or where two runs told theirs in the other order.

    Returns:
        The champion, to be logged; None where there is none, or it is what the log says.

    Raises:
        LineageError: its policy's record is gone.
        StoreError: its policy's bytes are.
    """
    champion, newest = history.current(), scope.find(PROMOTED, env)
    if champion is None or (newest is not None and _tells(newest, champion)):
        return None
    verdict_id = str(champion.verdict.get("id"))
    return as_champion(publish_again(scope, champion.model, env=env, verdict_id=verdict_id, log=log), champion)


def record_staged(scope: OutputScope, *, env: str, history: ChampionHistory, log: EventLog) -> Publication | None:
    """Tell the event log of the staged version where a run was killed before it did.

    Returns:
        The staged version, to be logged as an observation; None where none is staged, or the log knows it.

    Raises:
        LineageError: its policy's record is gone.
        StoreError: its policy's bytes are.
    """
    standing = history.standing()
    staging, number = standing.staging, standing.staging_number
    if staging is None or staging.model is None:
        return None
    if any(event.metadata.get(TRANSITION_KEY) == number for event in log.observed(PROMOTED, env)):
        return None
    verdict_id = str(staging.evidence.get("id"))
    return as_staged(publish_again(scope, staging.model, env=env, verdict_id=verdict_id, log=log), staging, number)


def _tells(event: Event, champion: Champion) -> bool:
    """Whether a record is that of this reign; records from before there were stages name the generation alone."""
    if TRANSITION_KEY in event.metadata:
        return event.metadata[TRANSITION_KEY] == champion.transition
    return event.metadata.get("generation") == champion.generation
