import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.rl import seeding
from rl_assets.rl.seeding import PURPOSE_SHIFT, Purpose, env_seeds, gate_seeds, member_stream


def train_seeds(**changes):
    arguments = {"purpose": Purpose.TRAIN, "env_key": "CartPole-v1", "member_seed": 0, "segment": 0, "num_envs": 8}
    return env_seeds(**(arguments | changes))


@given(
    st.sampled_from(Purpose), st.text(max_size=20), st.integers(0, 2**31 - 1), st.integers(0, 99), st.integers(1, 64)
)
def test_seeds_are_distinct_int32_and_carry_their_purpose(purpose, env_key, member_seed, segment, num_envs):
    seeds = env_seeds(purpose=purpose, env_key=env_key, member_seed=member_seed, segment=segment, num_envs=num_envs)
    assert len(set(seeds)) == num_envs
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert {seed >> PURPOSE_SHIFT for seed in seeds} == {int(purpose)}


def test_the_same_question_gets_the_same_seeds():
    assert train_seeds() == train_seeds()
    assert gate_seeds(env_key="a", question="x:y:1", num_envs=3) == gate_seeds(
        env_key="a", question="x:y:1", num_envs=3
    )


def test_a_stream_keeps_its_seed_in_a_larger_pool():
    assert train_seeds(num_envs=64)[:8] == train_seeds(num_envs=8)


@pytest.mark.parametrize(
    "change", [{"purpose": Purpose.SELECT}, {"env_key": "CartPole-v0"}, {"member_seed": 1}, {"segment": 1}]
)
def test_every_word_of_the_question_matters(change):
    assert not set(train_seeds()) & set(train_seeds(**change))


def test_neighbouring_member_seeds_share_no_stream():
    pools = [set(train_seeds(member_seed=seed, num_envs=256)) for seed in range(20)]
    assert all(not a & b for a, b in itertools.combinations(pools, 2))


def test_words_cannot_run_into_each_other():
    assert train_seeds(env_key="a1", member_seed=2) != train_seeds(env_key="a", member_seed=12)


def test_gate_questions_differ_from_each_other_and_from_training():
    first, second = (set(gate_seeds(env_key="e", question=q, num_envs=100)) for q in ("a:b:1", "a:b:2"))
    assert not first & second
    assert {seed >> PURPOSE_SHIFT for seed in first} == {int(Purpose.GATE)}


def test_colliding_hashes_are_told_apart(monkeypatch):
    real = seeding._hash_seed
    monkeypatch.setattr(seeding, "_hash_seed", lambda purpose, words: real(purpose, words) % 16)
    assert sorted(train_seeds(num_envs=16)) == list(range(16))


def test_no_streams_are_refused():
    with pytest.raises(ValueError, match="num_envs is 0: expected at least 1"):
        train_seeds(num_envs=0)


def test_member_streams_are_addressed_by_seed_role_and_counter():
    def draw(**address):
        return member_stream(**({"member_seed": 3, "role": "actions", "counter": 5} | address)).random(4).tolist()

    assert draw() == draw()
    others = [draw(member_seed=4), draw(role="shuffle"), draw(counter=6)]
    assert all(other != draw() for other in others)
