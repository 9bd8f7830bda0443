import importlib.util
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import benchmarks.__main__ as program
from benchmarks.errors import CannotMeasure, require
from benchmarks.registry import BENCHMARKS, Benchmark
from benchmarks.report import Table, replace_section

DOCS = Path(__file__).parents[2] / "docs"
TABLE = Table(title="t", columns=("", "s"), rows=(("ours", "1.00"),))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_its_file_and_its_section(name: str) -> None:
    assert importlib.util.find_spec(BENCHMARKS[name].module) is not None
    replace_section((DOCS / BENCHMARKS[name].page).read_text(), name, "figures")


def test_one_that_cannot_be_run_is_told_and_costs_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def measure(self: Benchmark, *, quick: bool) -> list[Table]:
        if self.name == "broken":
            raise CannotMeasure("not installed: something")
        return [TABLE]

    monkeypatch.setattr(Benchmark, "measure", measure)
    names = ("broken", "sound")
    monkeypatch.setattr(
        program, "BENCHMARKS", {name: Benchmark(name=name, module=name, about="for a test") for name in names}
    )
    page = tmp_path / "benchmarks.md"
    page.write_text("".join(f"<!-- benchmark {name} -->\nold\n<!-- end of {name} -->\n" for name in names))
    monkeypatch.setattr(program, "DOCS", tmp_path)
    result = CliRunner().invoke(program.app, ["--write"])
    assert result.exit_code == 1
    assert "broken: could not be measured: not installed: something" in result.output
    assert "not measured: broken" in result.output
    assert "<!-- benchmark broken -->\nold\n" in page.read_text()
    assert TABLE.as_markdown() in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["speed"], "no benchmark speed"), (["sps", "--quick", "--write"], "measures too little")],
)
def test_a_wrong_call_measures_nothing(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(program.app, arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_a_missing_package_is_named_with_what_to_do() -> None:
    with pytest.raises(CannotMeasure, match=r"not installed: some-package\. `make bench` installs"):
        require(sys="nothing", a_module_of_no_package="some-package")


def test_listing_the_benchmarks_imports_no_side() -> None:
    assert CliRunner().invoke(program.app, ["--help"]).exit_code == 0
    assert "stable_baselines3" not in sys.modules
