"""The `rlctl` command: results on standard output, everything else on standard error.

Exit codes: 0 done, 1 failed or, of `doctor`, something found, 2 the input was refused before anything was launched; a
damaged artifact is such an input.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rl_assets.cli.clients import client_app
from rl_assets.cli.datasets import dataset_app
from rl_assets.cli.lineage import lineage_app
from rl_assets.cli.options import JsonOption
from rl_assets.errors import BadInput, CorruptObject, PromotionRefused, RlAssetsError

app = typer.Typer(
    name="rlctl",
    help="The reinforcement-learning lifecycle: sweeps, leaderboards, champions, and whose data is in them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(dataset_app, name="dataset")
app.add_typer(client_app, name="client")
alerts_app = typer.Typer(help="Who is told of promotions, holds and failures.", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts")
app.add_typer(lineage_app, name="lineage")

FileOption = Annotated[Path, typer.Option("--file", "-f", help="YAML file (YAML 1.2, so 3e-4 is a number).")]
ReasonOption = Annotated[str, typer.Option(help="Why; the history keeps it for good. No clients' names.")]
EnvArgument = Annotated[str, typer.Argument(help="Environment key such as CartPole-v1.")]


def main() -> None:
    """Run the command and turn refusals into exit codes; SIGINT and SIGTERM end it alike, and its runs with it."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        app(standalone_mode=True)
    except (BadInput, CorruptObject, PromotionRefused) as error:
        print(f"refused: {error}", file=sys.stderr)
        sys.exit(2)
    except RlAssetsError as error:
        print(f"failed: {error}", file=sys.stderr)
        sys.exit(1)


@app.command()
def sweep(file: FileOption, as_json: JsonOption = False) -> None:
    """Launch a sweep: train all its recipes, rank them, ask the gates, promote what passes."""
    from rl_assets.cli.launching import launch_file

    launch_file(file, as_json=as_json)


@app.command()
def launch(file: FileOption, as_json: JsonOption = False) -> None:
    """Launch a single experiment (env, policy, train), and see it through like a sweep."""
    from rl_assets.cli.launching import launch_file

    launch_file(file, as_json=as_json)


@app.command()
def stop(
    run: Annotated[
        str | None,
        typer.Argument(help="Id of a run or the beginning of it; left out: the only one, or a list to choose from."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a run, whoever executes it; what it finished stays materialized."""
    from rl_assets.cli.control import stop_run

    stop_run(run, as_json=as_json)


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="Id of a run that failed or was stopped, or the beginning of it.")],
    allow_inexact: Annotated[
        bool,
        typer.Option(help="Resume also where other software or another processor would give other bits; recorded."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Do the work of a run that failed or was stopped again, from where it got to, and see it through."""
    from rl_assets.cli.control import resume_run

    resume_run(run, allow_inexact=allow_inexact, as_json=as_json)


@app.command()
def leaderboard(env: EnvArgument, as_json: JsonOption = False) -> None:
    """Show which recipes are best in an environment."""
    from rl_assets import api
    from rl_assets.cli.printing import print_leaderboard

    with api.open_installation() as installation:
        _show(api.leaderboard(installation, env), print_leaderboard, as_json=as_json)


@app.command()
def champion(env: EnvArgument, as_json: JsonOption = False) -> None:
    """Show which exact weights reign in an environment, since when and why."""
    from rl_assets import api
    from rl_assets.cli.printing import print_champion

    with api.open_installation() as installation:
        _show(api.champion(installation, env), print_champion, as_json=as_json)


@app.command()
def promote(
    env: EnvArgument,
    hparam: Annotated[
        str | None,
        typer.Argument(help="Recipe to promote; left out: what is staged, else the candidate that the gates held."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Member of the recipe; left out: its best on selection episodes.")
    ] = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put a policy into production by hand; needs the role 'promoter'."""
    from rl_assets.cli.promoting import promote_member

    promote_member(env, hparam, seed=seed, reason=reason, as_json=as_json)


@app.command()
def rollback(
    env: EnvArgument,
    to: Annotated[
        int | None,
        typer.Option(help="Generation to go back to; left out: the newest earlier version that is whole."),
    ] = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put an earlier version back into production; needs the role 'promoter'."""
    from rl_assets.cli.promoting import roll_back

    roll_back(env, to=to, reason=reason, as_json=as_json)


@app.command()
def gates(
    env: EnvArgument,
    again: Annotated[
        str | None,
        typer.Option(help="Ask again with fresh episodes, for this reason; a further test of the champion's reign."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the gates said of the newest candidate, with reasons and numbers; exit code 0 whatever it is."""
    from rl_assets import api
    from rl_assets.cli.judging import print_verdict

    with api.open_installation() as installation:
        answer = api.verdict(installation, env) if again is None else api.judge_again(installation, env, reason=again)
        _show(answer, print_verdict, as_json=as_json)


@app.command()
def history(env: EnvArgument, as_json: JsonOption = False) -> None:
    """Show every change of an environment's models and every attempt at one: who, when, why and which weights."""
    from rl_assets import api
    from rl_assets.cli.promoting import print_history

    with api.open_installation() as installation:
        _show(api.history(installation, env), print_history, as_json=as_json)


@app.command()
def erase(
    client: Annotated[str | None, typer.Option(help="Client, by name or pseudonym: all its data goes.")] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Key of a dataset that goes; may be given several times.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="One data subject, as the datasets' column 'subject' has it, instead of all.")
    ] = None,
    possibly_affected: Annotated[
        bool | None,
        typer.Option(
            "--include-possibly-affected/--leave-possibly-affected",
            help="What to do with materializations of which nobody recorded what they read.",
        ),
    ] = None,
    confirm: Annotated[str | None, typer.Option(help="Id of the plan to carry out, exactly as it was printed.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print exactly what an erasure would take and change nothing; with --confirm PLAN_ID, carry that plan out.

    Such as: rlctl erase --client "Example Client", then rlctl erase --confirm p-0123456789ab. A --subject needs the
    --client or the --dataset that it is in. Needs the role 'eraser', and a second person to confirm; rlctl verify
    checks the certificate. docs/runbooks/erasure.md walks through it.
    """
    from rl_assets.cli import erasing

    erasing.erase(
        client=client,
        datasets=dataset or (),
        subject=subject,
        include_possibly_affected=possibly_affected,
        confirm=confirm,
        as_json=as_json,
    )


@app.command()
def verify(
    certificate: Annotated[Path, typer.Argument(help="File of a certificate of erasure.")],
    public_key: Annotated[
        Path | None, typer.Option(help="File of the issuing instance's public key; left out: this installation's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a certificate of erasure, offline: every byte, who signed it, and its place in the chain."""
    from rl_assets.cli import erasing

    erasing.verify(certificate, public_key=public_key, as_json=as_json)


@app.command()
def erasures(as_json: JsonOption = False) -> None:
    """List every erasure that was ordered, how far it is, and its certificate."""
    from rl_assets.cli import erasing

    erasing.list_erasures(as_json=as_json)


@app.command()
def retrain(
    order: Annotated[str, typer.Argument(help="Id of an erasure, such as e-0123456789.")],
    launch: Annotated[bool, typer.Option("--launch", help="Launch what is shown.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what an erasure took from others, what trains it again without the data, and what that costs."""
    from rl_assets.cli import erasing

    erasing.retrain(order, launch=launch, as_json=as_json)


@app.command()
def schema(as_json: JsonOption = False) -> None:
    """List every field of a sweep or experiment with its type, bounds, default and meaning; --json: JSON schema."""
    from rl_assets.cli.printing import print_fields
    from rl_assets.config.sweep import SweepConfig

    _show(SweepConfig.model_json_schema(), lambda _: print_fields(), as_json=as_json)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check every object of the store against its checksum and every record against its object; change nothing.

    Exit code 0: nothing was found; 1: something was, with what to do about it.
    """
    from rl_assets.cli.doctor import run_doctor

    run_doctor(as_json=as_json)


@app.command()
def demo() -> None:
    """Run the whole lifecycle on a small sweep: dataset, training, leaderboards, gates, promotion, lineage."""
    from rl_assets.cli.demo import run_demo

    run_demo()


@alerts_app.command("test")
def alerts_test(as_json: JsonOption = False) -> None:
    """Send one test alert to every receiver of alerts.yaml; exit code 1 if any did not take it."""
    from rl_assets import api
    from rl_assets.cli.printing import print_lines

    with api.open_installation() as installation:
        answers = api.try_receivers(installation)
    _show(
        answers,
        lambda _: print_lines(*(f"{name}: {failure or 'took it'}" for name, failure in answers.items())),
        as_json=as_json,
    )
    if any(answers.values()):
        raise typer.Exit(1)


def _show(answer: Any, print_pretty: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print_pretty(answer)
