"""`rlctl lineage`: what a client's data went into, what a model stands on, and how two models differ in that."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rl_assets.cli.options import JsonOption
from rl_assets.errors import BadInput

if TYPE_CHECKING:
    from rl_assets.api.installation import Installation
    from rl_assets.api.lineage import Lineage

lineage_app = typer.Typer(
    help=(
        "Say what a client's data went into, what a model stands on, and how two models differ in that.\n\n"
        "A materialization is named ASSET:PARTITION, such as promoted_models:CartPole-v1 (the newest one), "
        "ASSET:PARTITION@EVENT, or by the number of its event alone. Put it in quotes: a policy's partition has a '|'."
    ),
    invoke_without_command=True,
    rich_markup_mode="rich",
)

HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", help="Also write a page with the graph drawn; it needs no network and holds no names."),
]
_REFERENCE = "ASSET:PARTITION, ASSET:PARTITION@EVENT or EVENT."


@lineage_app.callback()
def lineage(
    context: typer.Context,
    client: Annotated[str | None, typer.Option(help="Client whose data to follow forward.")] = None,
    champion: Annotated[str | None, typer.Option(help="Environment whose champion to trace back to its data.")] = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a client's data forward, or trace a champion back."""
    has_options = client is not None or champion is not None
    if context.invoked_subcommand is not None:
        if has_options or html is not None or as_json:
            raise BadInput(
                f"rlctl lineage: options stand after '{context.invoked_subcommand}', and --client and --champion "
                "without any such word"
            )
        return
    if (client is None) == (champion is None):
        raise BadInput(
            "rlctl lineage: expected exactly one of --client NAME and --champion ENV, or one of the words forward, "
            "backward, diff, export and index: see `rlctl lineage --help`"
        )
    from rl_assets import api
    from rl_assets.api.lineage_pages import backward_page, client_page
    from rl_assets.cli.printing import print_client_lineage, print_trace

    with _asked() as (installation, lineage):
        if client is not None:
            _show(lineage, lineage.of_client(client), print_client_lineage, as_json=as_json)
            _write(
                html,
                lambda: client_page(lineage, installation.register.pseudonym_of(client), lineage.of_client(client)),
            )
        elif champion is not None:
            _show(lineage, api.trace_champion(installation, champion, lineage), print_trace, as_json=as_json)
            reference = api.champion_reference(installation, champion)
            _write(html, lambda: backward_page(lineage, lineage.backward(reference)))


@lineage_app.command()
def forward(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=_REFERENCE)],
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List everything that was made from a dataset or any other partition, promoted models first.

    Without @EVENT all materializations of the partition are followed, also those that were replaced.
    """
    from rl_assets.api.lineage_pages import forward_page
    from rl_assets.cli.lineage_tables import print_forward

    with _asked() as (_, lineage):
        answer = lineage.forward(reference)
        _show(lineage, answer, print_forward, as_json=as_json)
        _write(html, lambda: forward_page(lineage, answer))


@lineage_app.command()
def backward(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=_REFERENCE)],
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all that a model or any other partition stands on, down to the checksums of the datasets' files.

    Each step has its commit, configuration hash, seeds and run. What is missing is said, never left out.
    """
    from rl_assets.api.lineage_pages import backward_page
    from rl_assets.cli.lineage_tables import print_backward

    with _asked() as (_, lineage):
        answer = lineage.backward(reference)
        _show(lineage, answer, print_backward, as_json=as_json)
        _write(html, lambda: backward_page(lineage, answer))


@lineage_app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="FIRST", help=_REFERENCE)],
    second: Annotated[str, typer.Argument(metavar="SECOND", help=_REFERENCE)],
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what only one of two models stands on, datasets in other versions, and where their recipes differ."""
    from rl_assets.api.lineage_pages import diff_page
    from rl_assets.cli.lineage_tables import print_diff

    with _asked() as (_, lineage):
        answer = lineage.compare(first, second)
        _show(lineage, answer, print_diff, as_json=as_json)
        _write(html, lambda: diff_page(lineage, answer))


@lineage_app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write; an existing one is replaced.")],
    as_json: JsonOption = False,
) -> None:
    """Write every materialization as OpenLineage run events (version 2-0-2), one JSON document in each line."""
    from rl_assets.cli.printing import print_lines

    with _asked() as (_, lineage):
        answer = {"file": str(file), "num_events": lineage.export(file)}
        _show(
            lineage,
            answer,
            lambda _: print_lines(f"{answer['num_events']} OpenLineage events written to {file}"),
            as_json=as_json,
        )


@lineage_app.command()
def index(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read the whole event log anew into a new file.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare every record with the event log; exit code 1 if one differs.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the index that answers stand on up to the event log, and say what had changed.

    Nobody needs this for a right answer: every question compares the index with the log first. It is derived from the
    log, and may be deleted at any time.
    """
    from rl_assets.cli.lineage_tables import print_index

    with _asked() as (_, lineage):
        news = lineage.index.rebuild() if rebuild else lineage.index.refresh()
        differing = lineage.index.check() if check else None
        answer = {
            "file": str(lineage.index.file),
            "num_events": news.num_events,
            "num_added": news.num_added,
            "num_changed": news.num_changed,
            "removed": dict(news.removed),
            "rebuilt_because": news.rebuilt_because,
            "differing_events": None if differing is None else list(differing),
        }
        if as_json:
            print(json.dumps(answer, indent=2))
        else:
            print_index(answer)
    if differing:
        raise typer.Exit(1)


@contextmanager
def _asked() -> "Iterator[tuple[Installation, Lineage]]":
    from rl_assets import api

    with api.open_installation() as installation:
        yield installation, api.Lineage(installation)


def _show(lineage: "Lineage", answer: Any, print_pretty: Callable[[Any], None], *, as_json: bool) -> None:
    """Print an answer, and before it on standard error what someone who relies on it has to know."""
    for warning in lineage.news.warnings():
        print(f"note: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print_pretty(answer)


def _write(file: Path | None, make: Callable[[], bytes]) -> None:
    if file is None:
        return
    from rl_assets.store.atomic import refusals_explained

    page = make()
    with refusals_explained(f"write '{file}'"):
        file.write_bytes(page)
    print(f"page written to {file}", file=sys.stderr)
