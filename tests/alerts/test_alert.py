from tests.alerts.conftest import alert


def test_an_alert_reads_as_text_and_as_a_document():
    assert alert().text == (
        "CartPole-v1: promoted\nppo-lr=0.001, member of seed 3, is in production (generation 2)\n"
        "gate_mean_return 487.5\nrun: https://dagster.example.com/runs/abc"
    )
    document = alert().to_json()
    assert (document["kind"], document["event_id"], document["title"]) == ("promoted", 7, "CartPole-v1: promoted")


def test_an_alert_of_no_environment_says_what_happened_alone():
    assert alert(kind="run_failed", env="", numbers={}, links={}, sentence="s").text == "run failed\ns"
