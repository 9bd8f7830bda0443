import threading

import pytest

from rl_assets.errors import CorruptObject
from rl_assets.store.alpha_ledger import AlphaLedger
from rl_assets.store.objects import ObjectStore

NOW = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def ledger(tmp_path):
    return AlphaLedger(ObjectStore(tmp_path), "CartPole-v1", reign=2)


def test_questions_are_numbered_in_the_order_in_which_they_come(ledger):
    assert [ledger.claim(question, claimed_at=NOW).number for question in "abc"] == [1, 2, 3]


def test_the_same_question_has_the_same_number_for_good(ledger):
    ledger.claim("a", claimed_at=NOW)
    second = ledger.claim("b", claimed_at=NOW)
    assert ledger.claim("b", claimed_at="2027-01-01T00:00:00+00:00") == second
    assert len(ledger.entries()) == 2


def test_each_reign_and_each_environment_has_its_own(tmp_path, ledger):
    ledger.claim("a", claimed_at=NOW)
    store = ObjectStore(tmp_path)
    assert AlphaLedger(store, "CartPole-v1", reign=3).claim("b", claimed_at=NOW).number == 1
    assert AlphaLedger(store, "Acrobot-v1", reign=2).claim("b", claimed_at=NOW).number == 1


def test_claims_at_the_same_time_get_different_numbers(tmp_path):
    found = []

    def claim(question):
        own = AlphaLedger(ObjectStore(tmp_path), "CartPole-v1", reign=0)
        found.append(own.claim(question, claimed_at=NOW).number)

    threads = [threading.Thread(target=claim, args=(f"q{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 9))


def test_an_entry_of_another_form_is_no_test(tmp_path, ledger):
    ledger.claim("a", claimed_at=NOW)
    ledger._entries.append(2, {"question": "b"})
    with pytest.raises(CorruptObject, match="not of this form"):
        ledger.claim("c", claimed_at=NOW)
