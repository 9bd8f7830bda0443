"""Which environments exist, by exact id or short name, and what they look like."""

import difflib
import functools
import re

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import UnknownEnvironment
from rl_assets.rl.envs.library import known_env_ids, load_spec, published_threshold
from rl_assets.rl.envs.options import check_options
from rl_assets.rl.envs.preflight import check_env
from rl_assets.rl.envs.spaces import EnvSpaces, read_spaces

OTHER_NAMES = {"connect4": "connectfour"}
"""Names in use elsewhere for an environment that EnvPool calls differently."""

FOREIGN_PREFIXES = ("ocean-", "ocean_", "puffer-", "puffer_")
"""Prefixes under which other libraries list the same games."""

_VERSIONED = re.compile(r"(?P<stem>.+)-v(?P<version>\d+)")


def resolve_env_id(name: str) -> str:
    """Turn an exact id, or a short name in any spelling, into EnvPool's exact id.

    A short name such as `pong`, `lunar_lander` or `ocean-connect4` resolves to the newest version.

    Raises:
        UnknownEnvironment: nothing is called that; the nearest names are suggested.
    """
    if name in known_env_ids():
        return name
    text = name
    for prefix in FOREIGN_PREFIXES:
        text = text.removeprefix(prefix)
    match = _VERSIONED.fullmatch(text)
    stem = _squash(match["stem"] if match else text)
    versions = _ids_by_stem().get(OTHER_NAMES.get(stem, stem), {})
    if match is None and versions:
        return versions[max(versions)]
    if match is not None and int(match["version"]) in versions:
        return versions[int(match["version"])]
    near = sorted(versions.values(), reverse=True) or _nearest(stem)
    hint = f"did you mean {' or '.join(near[:3])}?" if near else "`envpool.list_all_envs()` lists them"
    raise UnknownEnvironment(
        f"env '{name[:80]}' is not known: expected one of EnvPool's {len(known_env_ids())} ids; {hint}"
    )


def with_typed_options(env: EnvConfig) -> EnvConfig:
    """Give the options of an environment the types that its spec declares: `2` becomes `2.0` where it wants a float.

    Args:
        env: an environment whose id is exact.

    Raises:
        UnsupportedEnvironment: an option that it does not have, of another type, or that something else decides.
    """
    if not env.options:
        return env
    return EnvConfig(id=env.id, options=check_options(env, defaults=load_spec(env.id).config._asdict()))


def describe_env(env: EnvConfig) -> EnvSpaces:
    """Tell what an environment configuration shows and takes, and whether it can be trained in.

    Without options this only reads a table. With options the environment is tried out in a child process first
    (see `check_env`), because some options kill the process that reads them.

    Raises:
        UnknownEnvironment: the id is not exact.
        UnsupportedEnvironment: several players, spaces that cannot be trained in yet, a wrong option, or an
            environment that does not start.
    """
    if env.id not in known_env_ids():
        raise UnknownEnvironment(f"env '{env.id}' is not an exact id: write '{resolve_env_id(env.id)}'")
    if env.options:
        return check_env(with_typed_options(env))
    spec = load_spec(env.id)
    return read_spaces(spec, env_id=env.id, reward_threshold=published_threshold(env, spec))


@functools.cache
def _ids_by_stem() -> dict[str, dict[int, str]]:
    """Squashed stem -> version -> exact id; where two ids differ in case alone, the capitalized one."""
    names: dict[str, dict[int, str]] = {}
    for env_id in sorted(known_env_ids()):
        match = _VERSIONED.fullmatch(env_id)
        if match:
            names.setdefault(_squash(match["stem"]), {}).setdefault(int(match["version"]), env_id)
    return names


def _nearest(stem: str) -> list[str]:
    names = _ids_by_stem()
    return [names[near][max(names[near])] for near in difflib.get_close_matches(stem, names, n=3, cutoff=0.6)]


def _squash(text: str) -> str:
    return re.sub(r"[-_ ]", "", text).lower()
