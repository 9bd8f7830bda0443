"""A run that did nothing with the erased may speak of it: those words go, and nothing else of it."""

from rl_assets.resources.redaction.databases import Databases
from rl_assets.resources.redaction.documents import ERASED
from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.redact import redact
from rl_assets.resources.redaction.talk import runs_that_speak
from tests.resources.redaction.conftest import Worlds
from tests.resources.redaction.worlds import all_rows, say

STRANGER = "Pong-v5|ppo-0123456789"


def test_only_the_run_that_says_a_name_is_found_and_only_that_line_goes(worlds: Worlds) -> None:
    with worlds.copy() as installation:
        instance = installation.instance
        (run_id,) = {e.run_id for e in installation.log.history("datasets", worlds.world.globex_dataset)}
        assert runs_that_speak(Databases(instance), Names([STRANGER])) == set()
        before = all_rows(instance)
        say(instance, run_id, f"unlike {STRANGER}")
        assert runs_that_speak(Databases(instance), Names([STRANGER])) == {run_id}
        report = redact(instance, Doomed(names=frozenset({STRANGER})))
        assert report.runs_cleaned == (run_id,)
        assert [record.event_log_entry.user_message for record in instance.get_records_for_run(run_id).records][
            -1
        ] == ERASED
        after = all_rows(instance)
        assert {name: {key: after[name][key] for key in rows} for name, rows in before.items()} == before


def test_a_word_that_is_also_a_name_is_no_talk_of_it(worlds: Worlds) -> None:
    """Every log has 'step' and 'run' in it."""
    with worlds.copy() as installation:
        before = all_rows(installation.instance)
        redact(installation.instance, Doomed(names=frozenset({"step", "run", "execution", "process"})))
        assert all_rows(installation.instance) == before
