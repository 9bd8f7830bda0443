"""`python -m benchmarks [NAME ...]`: run benchmarks, print their tables, and with --write put them into the docs."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.errors import CannotMeasure
from benchmarks.machine import describe_machine, describe_software
from benchmarks.registry import BENCHMARKS
from benchmarks.report import Table, write_section

DOCS = Path(__file__).parents[1] / "docs"

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_NAMES = "\n\n".join(f"[bold]{one.name}[/bold]: {one.about}" for one in BENCHMARKS.values())


@app.command(
    help="Measure us beside our peers and beside ourselves; without names, everything.\n\n" + _NAMES,
    epilog="Ends with 1 if a benchmark could not be run, after the others have been.",
)
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks to run.", show_default="all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A short look at everything: no figures to trust.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the tables into their pages in docs/.")] = False,
) -> None:
    """Run, print, write; a benchmark that fails costs none of the others."""
    unknown = sorted(set(names or ()) - set(BENCHMARKS))
    if unknown:
        raise typer.BadParameter(f"no benchmark {', '.join(unknown)}: expected some of {', '.join(BENCHMARKS)}")
    if quick and write:
        raise typer.BadParameter("--quick measures too little for the docs: leave out --quick or --write")
    console, failed = Console(width=None if sys.stdout.isatty() else 120, highlight=False), list[str]()
    console.print(f"{describe_machine()}\n{describe_software()}\n")
    for name in names or BENCHMARKS:
        started_at = time.perf_counter()
        try:
            tables = BENCHMARKS[name].measure(quick=quick)
        except CannotMeasure as error:
            failed.append(name)
            console.print(f"{name}: could not be measured: {error}\n", style="red", markup=False)
            continue
        except Exception:
            failed.append(name)
            console.print(f"{name}: could not be measured:", style="red")
            console.print_exception()
            continue
        took_s = time.perf_counter() - started_at
        for table in tables:
            console.print(table.for_screen())
        console.print(f"{name} took {took_s:.0f} s\n", style="dim")
        if write:
            write_section(DOCS / BENCHMARKS[name].page, name, _section(tables))
    if failed:
        console.print(f"not measured: {', '.join(failed)}", style="red")
        sys.exit(1)


def _section(tables: list[Table]) -> str:
    measured_on = f"*{describe_machine()}; {describe_software()}*"
    return "\n\n".join([*(table.as_markdown() for table in tables), measured_on])


if __name__ == "__main__":
    app()
