"""Client-owned datasets: the root of every lineage."""

import dagster as dg

from rl_assets.config.keys import short_hash
from rl_assets.datasets.files import read_dataset
from rl_assets.datasets.register import ClientRegister
from rl_assets.defs.partitions import DATASETS
from rl_assets.resources.configured import ClientsResource, InputsResource
from rl_assets.resources.inputs import OutputScope, Publication

MAX_ROWS = 20


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
    """Publish the registered dataset that the scope's partition names."""
    entry = register.dataset(scope.partition)
    content = read_dataset(entry)
    return scope.publish(
        kind="dataset",
        files=content.files,
        facts={"dataset": entry.key, "content": content.kind, "merkle_root": content.merkle_root},
        config_hash=short_hash(entry.key),
        owners=frozenset({entry.pseudonym}),
        metadata={
            "content": content.kind,
            "num_files": len(content.files),
            "size_bytes": content.size_bytes,
            "merkle_root": content.merkle_root,
            "files": dg.MetadataValue.table(
                [
                    dg.TableRecord({"file": number, "sha256": file.sha256, "size_bytes": file.size_bytes})
                    for number, file in enumerate(content.listing[:MAX_ROWS])
                ],
                schema=dg.TableSchema(
                    [dg.TableColumn("file", "int"), dg.TableColumn("sha256"), dg.TableColumn("size_bytes", "int")]
                ),
            ),
        },
    )
