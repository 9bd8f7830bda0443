"""Client-owned datasets: the root of every lineage."""

import dagster as dg

from rl_assets.config.keys import short_hash
from rl_assets.datasets.files import DatasetContent, read_dataset
from rl_assets.datasets.register import ClientRegister, RegisteredDataset
from rl_assets.datasets.summary import EpisodeSummary
from rl_assets.defs.assets.dataset_card import describe_dataset
from rl_assets.defs.partitions import DATASETS
from rl_assets.errors import InvalidDataset
from rl_assets.resources.configured import ClientsResource, InputsResource
from rl_assets.resources.dataset_check import check_episodes
from rl_assets.resources.inputs import OutputScope, Publication


@dg.asset(
    partitions_def=DATASETS,
    group_name="datasets",
    owners=["team:data-governance"],
    kinds={"dataset"},
    description=(
        "A client's dataset: the bytes it gave us, or a declaration of simulator-only work. Its data version is the "
        "Merkle "
        "root over its files. Keys are pseudonyms; names and free text live in the client register alone "
        "(`rlctl dataset list`)."
    ),
)
def datasets(
    context: dg.AssetExecutionContext, inputs: InputsResource, clients: ClientsResource
) -> dg.MaterializeResult:
    """Read the registered files, store them under their owner, and publish what they are."""
    with inputs.for_output("datasets", context.partition_key) as scope:
        return publish_dataset(scope, register=clients.open()).as_result()


def publish_dataset(scope: OutputScope, *, register: ClientRegister) -> Publication:
    """Publish the registered dataset that the scope's partition names.

    Raises:
        ErasedData: it, or all data of its client, was erased; nothing is read.
        UnknownPartition: no dataset has that key.
        InvalidDataset: its files cannot be taken.
    """
    scope.refuse_if_erased(owners=frozenset({scope.partition.split(".")[0]}))
    entry = register.dataset(scope.partition)
    content = read_dataset(entry)
    return scope.publish(
        kind="dataset",
        files=content.files,
        facts={"dataset": entry.key, "content": content.kind, "merkle_root": content.merkle_root},
        config_hash=short_hash(entry.key),
        owners=frozenset({entry.pseudonym}),
        metadata=describe_dataset(entry, content, _summarize(entry, content)),
    )


def _summarize(entry: RegisteredDataset, content: DatasetContent) -> EpisodeSummary | None:
    """The episodes in numbers; what is wrong with them may be in the client's words and is not logged."""
    try:
        return check_episodes(content.files, env=entry.env, what=f"dataset '{entry.key}'")
    except InvalidDataset:
        raise InvalidDataset(
            f"dataset '{entry.key}': its files hold other episodes than they should; the reason may name columns of "
            "the client's, so it is not logged here: register the same words and path again with `rlctl dataset add` "
            "to see it"
        ) from None
