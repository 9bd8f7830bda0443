"""`rlctl dataset`: registering what clients gave."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rl_assets.cli.options import JsonOption
from rl_assets.errors import BadInput

dataset_app = typer.Typer(
    help="Register and list client-owned datasets.", no_args_is_help=True, rich_markup_mode="rich"
)

_EPISODES = """Files of episodes end in .npz, .parquet, .arrow, .feather, .hdf5 or .h5. They are Minari's, or have one
row for each step with the columns observations, actions, rewards, terminated, truncated and episode_id. Others are kept
as they are."""
_CARD = ("num_episodes", "num_steps", "nan_share", "env", "num_erased_subjects")


@dataset_app.command("add", epilog=_EPISODES)
def dataset_add(
    client: Annotated[
        str, typer.Option(help="Client who owns the data; only the client register keeps the name.")
    ] = "",
    project: Annotated[str, typer.Option(help="The client's project.")] = "",
    data_source: Annotated[str, typer.Option(help="Where the data comes from.")] = "",
    domain: Annotated[str, typer.Option(help="What it is about.")] = "",
    path: Annotated[
        Path | None, typer.Argument(help="File or folder of data; leave out for simulator-only work.")
    ] = None,
    env: Annotated[
        str | None, typer.Option(help="Environment that the episodes must fit: shapes, dtypes, range of actions.")
    ] = None,
    lawful_basis: Annotated[
        str | None,
        typer.Option(
            help="consent, contract, legal_obligation, vital_interests, public_task, legitimate_interests or "
            "not_personal."
        ),
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="What the data was given for; stays in the register.")] = None,
    retention: Annotated[
        str | None, typer.Option(help="Days from today such as 90d, or the last day such as 2027-12-31.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence or contract; stays in the register.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Register a dataset under its client; the same four words again give the same key.

    What else is said then replaces what stood.
    """
    words = {"--client": client, "--project": project, "--data-source": data_source, "--domain": domain}
    missing = [option for option, word in words.items() if not word.strip()]
    if missing:
        raise BadInput(
            f"rlctl dataset add: expected all four words, {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} "
            "missing: add each with its text, such as --project balance"
        )
    from rl_assets import api
    from rl_assets.cli.printing import print_dataset

    with api.open_installation() as installation:
        event = api.add_dataset(
            installation,
            client_id=client,
            project=project,
            data_source=data_source,
            domain=domain,
            path=path,
            env=env,
            lawful_basis=lawful_basis,
            purpose=purpose,
            retention=retention,
            licence=licence,
        )
        shown = {name: event.metadata[name] for name in ("content", "num_files", "size_bytes", "merkle_root")}
        shown |= {name: event.metadata[name] for name in _CARD if name in event.metadata}
        versions = api.dataset_versions(installation, event.partition)
        record = {
            "dataset": event.partition,
            "event_id": event.event_id,
            "data_version": event.data_version,
            "earlier_data_version": versions[-2] if len(versions) > 1 else None,
        } | shown
        print(json.dumps(record, indent=2)) if as_json else print_dataset(record)


@dataset_app.command("list")
def dataset_list(
    as_json: JsonOption = False,
) -> None:
    """List the registered datasets with their owners and terms, from the client register."""
    from rl_assets import api
    from rl_assets.cli.printing import print_datasets

    with api.open_installation() as installation:
        answer = api.list_datasets(installation)
        print(json.dumps(answer, indent=2, ensure_ascii=False)) if as_json else print_datasets(answer)
