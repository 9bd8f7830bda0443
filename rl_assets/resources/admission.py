"""What a sweep must survive before anything is launched or written."""

from collections.abc import Iterator
from contextlib import contextmanager

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.evaluation import GatesConfig
from rl_assets.config.keys import check_key
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig
from rl_assets.config.sweep_plan import plan_sweep
from rl_assets.datasets.register import ClientRegister
from rl_assets.datasets.spelling import find_name
from rl_assets.errors import InvalidConfig, UnknownEnvironment, UnsupportedEnvironment
from rl_assets.resources.dataset_check import refuse_unfit_dataset
from rl_assets.resources.gate_setup import load_gate
from rl_assets.rl.envs.catalogue import describe_env, resolve_env_id, with_typed_options
from rl_assets.rl.envs.preflight import check_env
from rl_assets.rl.envs.spaces import BoxActions
from rl_assets.rl.metrics import known_metrics, make_metric
from rl_assets.statistics.gate_rules import BUILT_IN_METRICS, CVAR10


def admit_sweep(sweep: SweepConfig, *, register: ClientRegister, source: str | None = None) -> SweepConfig:
    """Check a sweep against the real environments and the client register.

    Args:
        sweep: as it was written.
        register: knows the clients' names and the datasets.
        source: what to call the sweep in an error, such as its file; its name where it is not given.

    Every environment is described, built and stepped once in a child process, so that an option that would kill a
    training is found here.

    Returns:
        The same sweep with exact environment ids and options of the types that the environment declares.

    Raises:
        BadInput: names the field, what was expected, what came and what to do; nothing was written.
    """
    source = source or sweep.name
    register.refuse_client_names(sweep.name, field="name")
    if isinstance(sweep.dataset, DatasetDeclaration) and find_name(sweep.name, [sweep.dataset.client_id]):
        raise InvalidConfig(
            f"{source}: field 'name' contains the client's name, which would reach the logs: choose another"
        )
    envs = tuple(_admit_env(position, sweep=sweep, source=source) for position in range(len(sweep.envs)))
    exact = sweep.model_copy(update={"envs": envs, "gates": _exact_gates(sweep, envs, source=source)})
    plan = plan_sweep(exact, dataset="check", source=source)
    for key in plan.envs:
        check_key(key, kind="env")
    _check_metrics(sweep, source=source)
    refuse_unfit_dataset(exact, register=register, source=source)
    return exact


def _admit_env(position: int, *, sweep: SweepConfig, source: str) -> EnvConfig:
    """One environment of a sweep with its exact id and typed options."""
    env = sweep.envs[position]
    field = sweep.ENV_FIELD.format(position=position)
    with _refusals_named(f"{source}: field '{field}'"):
        exact = EnvConfig(id=resolve_env_id(env.id), options=env.options)
    with _refusals_named(f"{source}: field '{field}.options'"):
        exact = with_typed_options(exact)
    with _refusals_named(f"{source}: field '{field}'"):
        spaces = describe_env(exact)
        kind = "continuous" if isinstance(spaces.actions, BoxActions) else "discrete"
        if sweep.action_space not in {None, kind}:
            raise UnsupportedEnvironment(
                f"'{exact.id}' has {kind} actions but the configuration asks for {sweep.action_space} ones: "
                f"choose another environment or say {sweep.ACTION_SPACE_FIELDS[kind]}"
            )
        check_env(exact)
    return exact


@contextmanager
def _refusals_named(place: str) -> Iterator[None]:
    """Say in which file and field an environment stands that is refused."""
    try:
        yield
    except (UnknownEnvironment, UnsupportedEnvironment) as error:
        raise type(error)(f"{place}: {error}") from error


def _check_metrics(sweep: SweepConfig, *, source: str) -> None:
    """Refuse metrics that are not installed here, or that are none."""
    for name in sweep.evaluation.metrics:
        try:
            make_metric(name)
        except InvalidConfig as error:
            raise InvalidConfig(f"{source}: field 'evaluation.metrics': {error}") from error


def _exact_gates(sweep: SweepConfig, envs: tuple[EnvConfig, ...], *, source: str) -> GatesConfig:
    """Gates with every number by exact env key, however the environment was named."""
    names: dict[str, str] = {}
    for written, exact in zip(sweep.envs, envs, strict=True):
        names |= {written.id: env_key(exact), exact.id: env_key(exact), env_key(exact): env_key(exact)}
    _refuse_unknown_parts(sweep.gates, source=source)
    try:
        return sweep.gates.with_env_keys(names)
    except KeyError as error:
        field, unknown = error.args
        raise InvalidConfig(
            f"{source}: field 'gates.{field}': '{unknown}' is no environment of this sweep: expected one of "
            f"{', '.join(sorted(names))}"
        ) from None


def _refuse_unknown_parts(gates: GatesConfig, *, source: str) -> None:
    """Metrics that nothing measures, and gates that no installed package brings."""
    for name in gates.plugins:
        try:
            load_gate(name)
        except InvalidConfig as error:
            raise InvalidConfig(f"{source}: field 'gates.plugins': {error}") from error
    for name, limits in gates.metrics.items():
        field = f"{source}: field 'gates.metrics.{name}'"
        if name == CVAR10 and limits.ceiling is not None:
            raise InvalidConfig(f"{field}: the worst tenth has no ceiling, only a floor: take it out")
        if name in BUILT_IN_METRICS:
            continue
        if name not in known_metrics():
            known = ", ".join([*BUILT_IN_METRICS, *known_metrics()])
            raise InvalidConfig(f"{field}: there is no such metric: expected one of {known}")
        try:
            make_metric(name)
        except InvalidConfig as error:
            raise InvalidConfig(f"{field}: {error}") from error
