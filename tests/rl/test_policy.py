import numpy as np
import pytest

from rl_assets.config.network import NetworkConfig
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, MultiDiscreteActions
from rl_assets.rl.policy import NORMALIZER_MEAN, NORMALIZER_SCALE, PolicySpec, PolicyStack, load_policy


def spec_of(actions, *, normalizes_observations=False):
    return PolicySpec(
        network=NetworkConfig(hidden_sizes=(8,)),
        observation_shape=(3,),
        actions=actions,
        normalizes_observations=normalizes_observations,
    )


DISCRETE, BOX = spec_of(DiscreteActions(n=3)), spec_of(BoxActions(low=(-1.0, -1.0), high=(1.0, 3.0)))
OBSERVATIONS = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def draw(spec, seed=0):
    return {
        name: array + np.float32(0.1) for name, array in spec.shape.init_member(np.random.default_rng(seed)).items()
    }


@pytest.mark.parametrize("spec", [DISCRETE, BOX, spec_of(DiscreteActions(n=2), normalizes_observations=True)])
def test_specs_survive_json(spec):
    assert PolicySpec.from_json(spec.to_json()) == spec


def test_discrete_actions_are_the_largest_logit():
    tensors = draw(DISCRETE)
    hidden = np.tanh(OBSERVATIONS @ tensors["actor.0.weight"].T + tensors["actor.0.bias"])
    logits = hidden @ tensors["actor.1.weight"].T + tensors["actor.1.bias"]
    actions = load_policy(DISCRETE, tensors).act(OBSERVATIONS)
    assert actions.dtype == np.int64
    assert actions.tolist() == logits.argmax(1).tolist()


def test_continuous_actions_stay_within_the_bounds():
    policy = load_policy(BOX, {name: array * 50 for name, array in draw(BOX).items()})
    actions = policy.act(OBSERVATIONS, deterministic=False, generator=np.random.default_rng(0))
    assert actions.shape == (5, 2)
    assert ((actions >= [-1, -1]) & (actions <= [1, 3])).all()


def test_squashed_actions_are_the_stretched_tangent_of_the_means():
    clipped, squashed = (
        PolicySpec(
            network=NetworkConfig(hidden_sizes=(8,)),
            observation_shape=(3,),
            actions=BoxActions(low=(-1.0,), high=(3.0,)),
            normalizes_observations=False,
            squashes_actions=squashes,
        )
        for squashes in (False, True)
    )
    tensors = draw(clipped)
    means = (load_policy(clipped, tensors).act(OBSERVATIONS) - 1) / 2
    assert (np.abs(means) < 1).all(), "nothing was clipped"
    np.testing.assert_allclose(load_policy(squashed, tensors).act(OBSERVATIONS), np.tanh(means) * 2 + 1, atol=1e-6)


@pytest.mark.parametrize("deterministic", [True, False])
def test_forbidden_actions_are_never_chosen(deterministic):
    policy = load_policy(DISCRETE, draw(DISCRETE))
    many = np.random.default_rng(3).normal(size=(500, 3))
    masks = np.random.default_rng(4).random((500, 3)) < 0.5
    masks[np.arange(500), np.random.default_rng(5).integers(3, size=500)] = True
    actions = policy.act(many, deterministic=deterministic, generator=np.random.default_rng(6), masks=masks)
    assert masks[np.arange(500), actions].all()
    free = policy.act(many, deterministic=deterministic, generator=np.random.default_rng(6))
    assert not masks[np.arange(500), free].all(), "without the masks it would have chosen what they forbid"


def test_masks_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"masks have shape \(5, 2\): expected \(5, 3\)"):
        load_policy(DISCRETE, draw(DISCRETE)).act(OBSERVATIONS, masks=np.ones((5, 2), bool))


def test_several_choices_are_several_actions():
    spec = spec_of(MultiDiscreteActions(ns=(2, 5, 3)))
    actions = load_policy(spec, draw(spec)).act(OBSERVATIONS, deterministic=False, generator=np.random.default_rng(0))
    assert actions.shape == (5, 3)
    assert actions.dtype == np.int64
    assert (actions < [2, 5, 3]).all()


def test_images_have_to_be_bytes():
    spec = PolicySpec(
        network=NetworkConfig(image_features=8),
        observation_shape=(36, 40, 3),
        actions=DiscreteActions(n=2),
        normalizes_observations=False,
    )
    policy = load_policy(spec, spec.shape.init_member(np.random.default_rng(0)))
    assert policy.act(np.zeros((4, 36, 40, 3), np.uint8)).shape == (4,)
    with pytest.raises(ValueError, match="are float32: expected uint8 images"):
        policy.act(np.zeros((4, 36, 40, 3), np.float32))
    with pytest.raises(ValueError, match=r"expected \[num_envs, 36, 40, 3\]"):
        policy.act(np.zeros((4, 3, 36, 40), np.uint8))


def test_a_policy_tells_what_it_sees_and_does():
    assert repr(load_policy(BOX, draw(BOX))) == "Policy(3 observations -> Box(2))"


def test_samples_follow_the_generator():
    policy = load_policy(BOX, draw(BOX))
    first, again, other = (
        policy.act(OBSERVATIONS, deterministic=False, generator=np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first.tolist() == again.tolist() != other.tolist()


def test_sampling_without_a_generator_is_refused():
    with pytest.raises(ValueError, match="generator is None"):
        load_policy(BOX, draw(BOX)).act(OBSERVATIONS, deterministic=False)


def test_a_member_of_a_stack_acts_as_it_does_alone():
    members = [draw(BOX, seed) for seed in range(4)]
    observations = np.random.default_rng(2).normal(size=(4, 5, 3)).astype(np.float32)
    together = PolicyStack(BOX, members).act(observations, None).reshape(4, 5, 2)
    for index, tensors in enumerate(members):
        assert load_policy(BOX, tensors).act(observations[index]).tobytes() == together[index].tobytes()


def test_observations_are_scaled_where_the_policy_says_so():
    spec = spec_of(DiscreteActions(n=3), normalizes_observations=True)
    mean, scale = np.array([1, 2, 3], np.float32), np.array([2, 2, 2], np.float32)
    tensors = draw(spec)
    scaled = load_policy(spec, tensors | {NORMALIZER_MEAN: mean, NORMALIZER_SCALE: scale})
    plain = load_policy(DISCRETE, tensors)
    many = np.random.default_rng(3).normal(size=(200, 3)).astype(np.float32) * 3
    assert scaled.act(many).tolist() == plain.act(np.clip((many - mean) * scale, -10, 10)).tolist()
    assert scaled.act(many).tolist() != plain.act(many).tolist()


@pytest.mark.parametrize(
    ("observations", "words"),
    [
        (np.zeros((5, 4)), "expected .num_envs, 3."),
        (np.zeros(3), "expected"),
        (np.full((1, 3), np.nan), "NaN or infinity"),
    ],
)
def test_wrong_observations_are_refused(observations, words):
    with pytest.raises(ValueError, match=words):
        load_policy(DISCRETE, draw(DISCRETE)).act(observations)


def test_damaged_tensors_are_refused():
    damaged = draw(DISCRETE)
    damaged["critic.0.bias"][0] = np.inf
    with pytest.raises(ValueError, match=r"'critic.0.bias' holds NaN or infinity"):
        load_policy(DISCRETE, damaged)
    with pytest.raises(ValueError, match=r"'normalizer.mean' is missing"):
        load_policy(spec_of(DiscreteActions(n=3), normalizes_observations=True), draw(DISCRETE))
