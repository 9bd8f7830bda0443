"""Small histories, folded by hand."""

from rl_assets.store.standing import Standing, fold
from rl_assets.store.transitions import Transition
from tests.store.model_entries import entry, version


def after(*entries: Transition) -> Standing:
    return fold(enumerate(entries, start=1))


def test_nothing_stands_at_first():
    standing = after()
    assert (standing.production, standing.staging, standing.archived, standing.generation) == (None, None, (), 0)


def test_a_promotion_archives_what_reigned_and_raises_the_generation():
    standing = after(entry("a"), entry("b"))
    assert standing.production is not None
    assert standing.production.model == version("b")
    assert (standing.production.generation, standing.production.transition) == (2, 2)
    assert [reign.model for reign in standing.archived] == [version("a")]


def test_staging_changes_no_production_and_ends_when_the_same_version_is_promoted():
    staged = after(entry("a"), entry("b", "stage"))
    assert staged.staging is not None
    assert (staged.staging.model, staged.staging_number, staged.generation) == (version("b"), 2, 1)
    other = after(entry("a"), entry("b", "stage"), entry("c"))
    assert other.staging is not None, "another version's promotion leaves it where it is"
    promoted = after(entry("a"), entry("b", "stage"), entry("b"))
    assert (promoted.staging, promoted.staging_number, promoted.generation) == (None, 0, 2)
    newer = after(entry("a", "stage"), entry("b", "stage"))
    assert newer.staging is not None
    assert newer.staging.model == version("b")


def test_attempts_that_came_to_nothing_change_nothing():
    refused = entry("c", outcome="refused", model=None)
    assert after(entry("a"), entry("b", outcome="lost"), refused) == after(entry("a"))


def test_a_rollback_is_a_reign_of_its_own_and_marks_the_weights_that_it_ended():
    back = entry("a", "roll_back")
    standing = after(entry("a"), entry("b"), back)
    assert standing.production is not None
    assert (standing.production.model, standing.generation) == (version("a"), 3)
    assert [reign.generation for reign in standing.archived] == [2]
    assert standing.rolled_back == {version("b").weights_sha256: back}


def test_weights_that_are_promoted_again_on_purpose_are_no_longer_rolled_back():
    standing = after(entry("a"), entry("b"), entry("a", "roll_back"), entry("b"))
    assert standing.rolled_back == {}
    assert [reign.generation for reign in standing.archived] == [3], "each version once, by its newest reign"


def test_the_same_weights_under_another_verdict_are_the_same_version():
    again = entry("a", model=version("a", data_version="f" * 64))
    standing = after(entry("a"), entry("b"), again)
    assert [reign.model for reign in standing.archived] == [version("b")]


VACATED = entry(action="vacate", model=None)
ORDER = "e-00000000aa"


def erased(*given: str) -> Transition:
    """What is left of an entry whose model was erased."""
    return entry(*given).without_model(order=ORDER)


def test_vacating_leaves_nothing_in_production_and_counts():
    standing = after(entry("a"), entry("b"), VACATED)
    assert (standing.production, standing.vacated, standing.generation) == (None, VACATED, 3)
    assert [reign.model for reign in standing.archived] == [version("b"), version("a")]
    assert standing.rolled_back == {}


def test_a_promotion_after_vacating_reigns_in_the_next_generation():
    standing = after(entry("a"), VACATED, entry("b"))
    assert standing.production is not None
    assert (standing.production.model, standing.production.generation, standing.vacated) == (version("b"), 3, None)
    assert [reign.generation for reign in standing.archived] == [1]


def test_going_back_after_vacating_marks_no_weights():
    standing = after(entry("a"), VACATED, entry("a", "roll_back"))
    assert standing.production is not None
    assert (standing.production.model, standing.rolled_back) == (version("a"), {})


def test_an_erased_reign_counts_and_is_none_of_the_versions():
    standing = after(entry("a"), erased("b"), entry("c"))
    assert standing.production is not None
    assert (standing.production.model, standing.production.generation) == (version("c"), 3)
    assert [reign.model for reign in standing.archived] == [version("a")]
    assert (standing.erased, standing.vacated) == ({2: ORDER}, None)


def test_an_erased_reign_that_was_the_last_serves_nothing():
    standing = after(entry("a"), erased("b"))
    assert (standing.production, standing.generation, standing.vacated) == (None, 2, erased("b"))


def test_weights_that_a_rollback_ended_are_recognised_also_when_their_entry_is_erased():
    back = entry("a", "roll_back")
    assert after(entry("a"), erased("b"), back).rolled_back == {version("b").weights_sha256: back}


def test_an_erased_staging_waits_for_nobody():
    standing = after(entry("a"), entry("b", "stage"), erased("c", "stage"))
    assert (standing.staging, standing.staging_number, standing.generation) == (None, 0, 1)
