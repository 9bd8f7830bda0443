"""The dimensions of the graph, all dynamic, and the cell: one recipe in one environment."""

import dagster as dg

DATASETS = dg.DynamicPartitionsDefinition(name="dataset")
SWEEPS = dg.DynamicPartitionsDefinition(name="sweep")
ENVS = dg.DynamicPartitionsDefinition(name="env")
HPARAMS = dg.DynamicPartitionsDefinition(name="hparam")
ERASURES = dg.DynamicPartitionsDefinition(name="erasure")
CELLS = dg.MultiPartitionsDefinition({"env": ENVS, "hparam": HPARAMS})

MAX_KEYS_AT_ONCE = 5_000


def cell_key(env: str, hparam: str) -> str:
    """Partition key of a recipe in an environment, as Dagster spells it: dimensions in alphabetical order."""
    return f"{env}|{hparam}"


def split_cell(key: str) -> tuple[str, str]:
    """The env key and the hparam key of a cell."""
    env, _, hparam = key.partition("|")
    return env, hparam


def add_keys(instance: dg.DagsterInstance, definition: dg.DynamicPartitionsDefinition, keys: list[str]) -> None:
    """Add the keys that are new, in chunks that SQLite can take, in the order given."""
    name = definition.name
    assert name is not None, "our dynamic partitions are all named"
    known = set(instance.get_dynamic_partitions(name))
    new = [key for key in dict.fromkeys(keys) if key not in known]
    for start in range(0, len(new), MAX_KEYS_AT_ONCE):
        instance.add_dynamic_partitions(name, new[start : start + MAX_KEYS_AT_ONCE])
