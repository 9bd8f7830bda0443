from pathlib import Path

import pytest

from benchmarks.report import Table, ratios, replace_section, spread, times, write_section

PAGE = "# Speed\nprose | above\n<!-- benchmark sps -->\nold\n<!-- end of sps -->\nprose below\n"
TABLE = Table(
    title="CartPole-v1, rounds: 3",
    columns=("", "steps/s", "ratio"),
    rows=(("ours", "30,000", "3.00x"), ("theirs | plain", "10,000", "1")),
    notes=("One thread.", "One process."),
)


def test_a_table_in_markdown_has_its_title_its_rows_and_its_notes() -> None:
    assert TABLE.as_markdown() == (
        "**CartPole-v1, rounds: 3**\n"
        "\n"
        "|  | steps/s | ratio |\n"
        "| --- | ---: | ---: |\n"
        "| ours | 30,000 | 3.00x |\n"
        "| theirs \\| plain | 10,000 | 1 |\n"
        "\n"
        "One thread. One process."
    )


def test_a_table_on_the_screen_has_the_same_cells() -> None:
    screen = TABLE.for_screen()
    assert [list(column.cells) for column in screen.columns] == [
        ["ours", "theirs | plain"],
        ["30,000", "10,000"],
        ["3.00x", "1"],
    ]


def test_a_row_with_a_missing_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="has 1 cells: expected 2"):
        Table(title="t", columns=("", "s"), rows=(("ours",),))


def test_the_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_the_medians() -> None:
    ours, theirs = [40.0, 20.0, 30.0], [10.0, 10.0, 5.0]
    assert ratios(ours, theirs) == [4.0, 2.0, 6.0]
    assert times(ratios(ours, theirs)) == "4.00x"


def test_rounds_that_do_not_pair_up_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("numbers", "digits", "expected"),
    [
        ([13_000.4, 12_900.0, 14_000.0], 0, "13,000 (12,900 to 14,000)"),
        ([1.0, 2.0], 2, "1.50 (1.00 to 2.00)"),
        ([7.25], 1, "7.2"),
        ([], 0, "none"),
    ],
)
def test_a_spread_has_the_median_and_both_ends(numbers: list[float], digits: int, expected: str) -> None:
    assert spread(numbers, digits=digits) == expected


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    body = "new \\1 \\g<0>"  # no pattern of a replacement is read into figures
    page = replace_section(PAGE, "sps", body)
    assert page == PAGE.replace("old", body)
    assert replace_section(page, "sps", body) == page


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("no marks", id="missing"),
        pytest.param(PAGE + PAGE, id="twice"),
        pytest.param("<!-- end of sps -->\n<!-- benchmark sps -->", id="wrong order"),
    ],
)
def test_a_page_without_its_section_is_refused_and_stays(page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(ValueError, match="page has no section 'sps'"):
        write_section(path, "sps", "new")
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]
    assert path.read_text() == page


def test_a_section_is_written_whole_and_leaves_nothing_beside_the_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    path.chmod(0o640)
    write_section(path, "sps", TABLE.as_markdown())
    assert TABLE.as_markdown() in path.read_text()
    assert path.read_text().endswith("prose below\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]
