from rl_assets.resources.stages import newest_by_env


def test_the_newest_event_of_each_env_is_found_over_its_cells():
    assert newest_by_env({}) == {}
    assert newest_by_env({"A|x": 3, "A|y": 7, "B|x": 5, "A|z": 2}) == {"A": 7, "B": 5}
