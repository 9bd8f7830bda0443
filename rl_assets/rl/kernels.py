"""Compiled PPO for perceptrons: act, estimate advantages, learn; one member after another, each as if it were alone.

Torch spends most of a small update between its operations. Here a whole update is one call: matrix products in
blocks of registers (`_make_block`), everything else in plain loops that LLVM turns into vector instructions. The
learner over autograd in `algorithms/ppo.py` says the same in a tenth of the lines; the tests hold the two together.

Numbers stand in rows of samples; a layer's outputs are the vector lanes. Widths are padded to `LANES` with zeros,
which stay zero. Every output element adds its products in the order of the inputs, so no result depends on how many
rows there are or on the size of the blocks.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
"""Numbers in a vector; LLVM cuts it in two or four where registers are smaller."""

TILE = 128
"""Rows of a minibatch that pass through a network together: their activations stay in the first caches."""

FAN_IN, FAN_OUT, WIDTH, WEIGHT, BIAS, OUTPUT, TRANSPOSED = range(7)
"""Columns of a layer table: inputs, outputs, padded outputs, where weight and bias begin among the member's
parameters, where the outputs of a tile begin among the activations, where the transposed weight begins."""

CLIP, ENTROPY, VALUE, MAX_NORM, TARGET_KL, EPSILON, RATE = range(7)
"""Columns of a member's coefficients."""

MASKED_LOGIT = np.float32(-1e8)
"""Logit of an action that the environment forbids: its probability is exactly 0, its product with it too."""

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_BETA1, _BETA2 = np.float32(0.9), np.float32(0.999)
_NORM_EPSILON = np.float32(1e-6)
_HALF_LOG_TWO_PI = np.float32(0.5 * math.log(2 * math.pi))


def compiled(function: Any) -> Any:
    """Compile on first use and keep the machine code beside this file; arithmetic stays as it is written.

    Where neither that folder nor the user's cache can be written, every process compiles anew.
    """
    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return njit(error_model="numpy")(function)


def _make_block(rows: int, vectors: int) -> Any:
    """Make `out[rows, lanes] = start[rows, lanes] + left[rows, depth] @ right[depth, lanes]` with registers for sums.

    Addresses are in bytes, strides in numbers. A `start_row` of 0 adds one row, such as a bias, to all.
    """
    vector = ir.VectorType(ir.FloatType(), LANES)
    word, number = ir.IntType(64), ir.FloatType()
    first_lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

    @intrinsic
    def block(typing: Any, out, out_row, start, start_row, left, left_row, left_column, right, right_row, depth):  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            out, out_row, start, start_row, left, left_row, left_column, right, right_row, depth = args
            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32"
            )

            def place(base: Any, stride: Any, index: Any, numbers: int = 0) -> Any:
                distance = builder.add(builder.mul(stride, index), ir.Constant(word, numbers))
                return builder.add(base, builder.mul(distance, ir.Constant(word, 4)))

            def load(address: Any, kind: Any) -> Any:
                loaded = builder.load(builder.inttoptr(address, kind.as_pointer()))
                loaded.align = 4
                return loaded

            def spread(address: Any) -> Any:
                nothing = ir.Constant(vector, ir.Undefined)
                single = builder.insert_element(nothing, load(address, number), ir.Constant(ir.IntType(32), 0))
                return builder.shuffle_vector(single, nothing, first_lane)

            cells = [(row, lane) for row in range(rows) for lane in range(vectors)]
            sums = {
                (row, lane): cgutils.alloca_once_value(
                    builder, load(place(start, start_row, ir.Constant(word, row), LANES * lane), vector)
                )
                for row, lane in cells
            }
            with cgutils.for_range(builder, depth) as loop:
                rights = [load(place(right, right_row, loop.index, LANES * lane), vector) for lane in range(vectors)]
                column = place(left, left_column, loop.index)
                lefts = [spread(place(column, left_row, ir.Constant(word, row))) for row in range(rows)]
                for row, lane in cells:
                    total = builder.call(fma, [lefts[row], rights[lane], builder.load(sums[row, lane])])
                    builder.store(total, sums[row, lane])
            for row, lane in cells:
                address = place(out, out_row, ir.Constant(word, row), LANES * lane)
                stored = builder.store(builder.load(sums[row, lane]), builder.inttoptr(address, vector.as_pointer()))
                stored.align = 4
            return context.get_dummy_value()

        return types.void(*[types.intp] * 10), generate

    return block


_block_8x2, _block_8x1 = _make_block(8, 2), _make_block(8, 1)
_block_4x2, _block_4x1 = _make_block(4, 2), _make_block(4, 1)
_block_1x2, _block_1x1 = _make_block(1, 2), _make_block(1, 1)


@compiled
def _multiply(out, start, start_row, left, left_row, left_column, rows, depth, right):
    """`out = start + left @ right`; `left` is any address with two strides, so that it may be read transposed."""
    width = out.shape[1]
    out_at, right_at = out.ctypes.data, right.ctypes.data
    lane = 0
    while lane < width:
        pair = width - lane >= 2 * LANES
        row = 0
        while row < rows:
            at = out_at + 4 * (row * width + lane)
            begin = start + 4 * (row * start_row + lane)
            first = left + 4 * row * left_row
            column = right_at + 4 * lane
            if rows - row >= 8:
                if pair:
                    _block_8x2(at, width, begin, start_row, first, left_row, left_column, column, width, depth)
                else:
                    _block_8x1(at, width, begin, start_row, first, left_row, left_column, column, width, depth)
                row += 8
            elif rows - row >= 4:
                if pair:
                    _block_4x2(at, width, begin, start_row, first, left_row, left_column, column, width, depth)
                else:
                    _block_4x1(at, width, begin, start_row, first, left_row, left_column, column, width, depth)
                row += 4
            else:
                if pair:
                    _block_1x2(at, width, begin, start_row, first, left_row, left_column, column, width, depth)
                else:
                    _block_1x1(at, width, begin, start_row, first, left_row, left_column, column, width, depth)
                row += 1
        lane += 2 * LANES if pair else LANES


@compiled
def _tanh(x):
    """In place, to 3e-7: the rational function of Eigen's `generic_fast_tanh_float`. NaN stays NaN."""
    for i in range(x.size):
        v = x[i]
        v = np.float32(7.90531110763549805) if v > np.float32(7.90531110763549805) else v
        v = np.float32(-7.90531110763549805) if v < np.float32(-7.90531110763549805) else v
        s = v * v
        p = s * np.float32(-2.76076847742355e-16) + np.float32(2.00018790482477e-13)
        p = s * p + np.float32(-8.60467152213735e-11)
        p = s * p + np.float32(5.12229709037114e-08)
        p = s * p + np.float32(1.48572235717979e-05)
        p = s * p + np.float32(6.37261928875436e-04)
        p = s * p + np.float32(4.89352455891786e-03)
        q = s * np.float32(1.19825839466702e-06) + np.float32(1.18534705686654e-04)
        q = s * q + np.float32(2.26843463243900e-03)
        q = s * q + np.float32(4.89352518554385e-03)
        x[i] = v * p / q


@compiled
def _relu(x):
    """In place; NaN stays NaN."""
    for i in range(x.size):
        v = x[i]
        x[i] = _ZERO if v < _ZERO else v


@compiled
def _exp(x):
    """The exponential to 1e-7, the same bits on every machine; infinite where float32 ends. As in Cephes' `expf`."""
    v = np.float32(88.722) if x > np.float32(88.722) else x
    v = np.float32(-87.33) if v < np.float32(-87.33) else v
    whole = np.floor(v * np.float32(1.44269504088896341) + _HALF)
    r = v - whole * np.float32(0.693359375) + whole * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    power = np.int32(whole)
    half = power >> np.int32(1)  # two factors, as 2 ** 128 is no float32
    scale = np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    rest = np.int32((power - half + np.int32(127)) << np.int32(23)).view(np.float32)
    y = (p * r * r + r + _ONE) * scale * rest
    y = np.float32(np.inf) if x > np.float32(88.722) else y
    return _ZERO if x < np.float32(-87.33) else y


@compiled
def _log(x):
    """The logarithm of a positive number to 3e-7, the same bits on every machine. As in Cephes' `logf`."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits >> np.int32(23)) - np.int32(126))
    m = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
    is_small = m < np.float32(0.707106781186547524)
    exponent = exponent - np.int32(1) if is_small else exponent
    m = m + m - _ONE if is_small else m - _ONE
    s = m * m
    y = np.float32(7.0376836292e-2) * m - np.float32(1.1514610310e-1)
    y = y * m + np.float32(1.1676998740e-1)
    y = y * m - np.float32(1.2420140846e-1)
    y = y * m + np.float32(1.4249322787e-1)
    y = y * m - np.float32(1.6668057665e-1)
    y = y * m + np.float32(2.0000714765e-1)
    y = y * m - np.float32(2.4999993993e-1)
    y = y * m + np.float32(3.3333331174e-1)
    e = np.float32(exponent)
    y = y * m * s - np.float32(2.12194440e-4) * e - _HALF * s
    y = m + y + np.float32(0.693359375) * e
    return y if x == x else x


@compiled
def forward(parameters, layers, is_tanh, inputs, activations):
    """Compute one tower.

    Args:
        parameters: `[size]` float32 of one member.
        layers: `[num_layers, 7]` int64 table of the tower.
        is_tanh: between the layers; else rectified linear units.
        inputs: `[rows, observation_size]` float32, at most `TILE` rows.
        activations: scratch; keeps the outputs of every layer.

    Returns:
        `[rows, padded width]` outputs of the last layer, a view of the scratch.
    """
    rows, last = inputs.shape[0], layers.shape[0] - 1
    x = inputs
    for index in range(last + 1):
        fan_in, width = layers[index, FAN_IN], layers[index, WIDTH]
        weight = parameters[layers[index, WEIGHT] : layers[index, WEIGHT] + fan_in * width].reshape(fan_in, width)
        bias = parameters[layers[index, BIAS] : layers[index, BIAS] + width]
        out = activations[layers[index, OUTPUT] : layers[index, OUTPUT] + rows * width].reshape(rows, width)
        _multiply(out, bias.ctypes.data, 0, x.ctypes.data, x.shape[1], 1, rows, fan_in, weight)
        if index < last:
            if is_tanh:
                _tanh(out.ravel())
            else:
                _relu(out.ravel())
        x = out
    return x


@compiled
def _transpose(parameters, layers, transposed):
    """Copy the weights of all layers but the first as `[outputs, padded inputs]`, for the way back."""
    for index in range(1, layers.shape[0]):
        fan_in, fan_out, width = layers[index, FAN_IN], layers[index, FAN_OUT], layers[index, WIDTH]
        below = layers[index - 1, WIDTH]
        weight = parameters[layers[index, WEIGHT] : layers[index, WEIGHT] + fan_in * width].reshape(fan_in, width)
        target = transposed[layers[index, TRANSPOSED] : layers[index, TRANSPOSED] + fan_out * below]
        target = target.reshape(fan_out, below)
        for i in range(fan_in):
            for o in range(fan_out):
                target[o, i] = weight[i, o]


@compiled
def _backward(layers, transposed, is_tanh, inputs, activations, deltas, gradients):
    """Add one tile's gradients; the last layer's part of `deltas` holds the loss's derivatives by its outputs."""
    rows = inputs.shape[0]
    for index in range(layers.shape[0] - 1, -1, -1):
        fan_in, fan_out, width = layers[index, FAN_IN], layers[index, FAN_OUT], layers[index, WIDTH]
        delta = deltas[layers[index, OUTPUT] : layers[index, OUTPUT] + rows * width].reshape(rows, width)
        bias = gradients[layers[index, BIAS] : layers[index, BIAS] + width]
        for row in range(rows):
            for lane in range(width):
                bias[lane] += delta[row, lane]
        if index == 0:
            below = inputs
        else:
            size = rows * layers[index - 1, WIDTH]
            place = layers[index - 1, OUTPUT]
            below = activations[place : place + size].reshape(rows, layers[index - 1, WIDTH])
        weight = gradients[layers[index, WEIGHT] : layers[index, WEIGHT] + fan_in * width].reshape(fan_in, width)
        _multiply(weight, weight.ctypes.data, width, below.ctypes.data, 1, below.shape[1], fan_in, rows, delta)
        if index > 0:
            size, place = below.size, layers[index - 1, OUTPUT]
            back = deltas[place : place + size].reshape(rows, below.shape[1])
            turned = transposed[layers[index, TRANSPOSED] : layers[index, TRANSPOSED] + fan_out * below.shape[1]]
            zeros = np.zeros(below.shape[1], np.float32)
            _multiply(
                back, zeros.ctypes.data, 0, delta.ctypes.data, width, 1, rows, fan_out, turned.reshape(fan_out, -1)
            )
            h, d = below.ravel(), back.ravel()
            if is_tanh:
                for i in range(h.size):
                    d[i] = d[i] * (_ONE - h[i] * h[i])
            else:
                for i in range(h.size):
                    d[i] = d[i] if h[i] > _ZERO else _ZERO


@compiled
def _log_softmax(z, masks, choices, logits):
    """Turn a tile's logits into log probabilities, for each choice by itself; the rows are the vector lanes.

    Args:
        z: `[rows, width]` float32.
        masks: `[rows, num_outputs]` bool, or of size 0.
        choices: options of each choice.
        logits: `[num_outputs, rows]` float32, is filled.
    """
    num_outputs, rows = logits.shape
    highest, total = np.empty(rows, np.float32), np.empty(rows, np.float32)
    for j in range(num_outputs):
        column = logits[j]
        for row in range(rows):
            column[row] = z[row, j]
        if masks.size:
            for row in range(rows):
                column[row] = column[row] if masks[row, j] else MASKED_LOGIT
    start = 0
    for n in choices:
        highest[:] = logits[start]
        for j in range(start + 1, start + n):
            column = logits[j]
            for row in range(rows):
                highest[row] = column[row] if column[row] > highest[row] else highest[row]
        total[:] = _ZERO
        for j in range(start, start + n):
            column = logits[j]
            for row in range(rows):
                column[row] -= highest[row]
                total[row] += _exp(column[row])
        for row in range(rows):
            total[row] = _log(total[row])
        for j in range(start, start + n):
            column = logits[j]
            for row in range(rows):
                column[row] -= total[row]
        start += n


@compiled
def _log_density(means, log_std, actions, log_probs):
    """Fill `log_probs` with the log densities of a tile's actions under independent normals."""
    log_probs[:] = _ZERO
    for j in range(log_std.size):
        inverse, constant = _exp(-log_std[j]), log_std[j] + _HALF_LOG_TWO_PI
        for row in range(log_probs.size):
            distance = (actions[row, j] - means[row, j]) * inverse
            log_probs[row] += -_HALF * distance * distance - constant


class Networks(NamedTuple):
    """Actors and critics of several members."""

    parameters: Any
    """`[members, size]` float32: actor, critic, log deviations of each."""
    towers: Any
    """`[2, num_layers, 7]` int64, the layer tables of actor and critic."""
    log_std_at: int
    """Where the log deviations of a Gaussian policy stand among the parameters."""
    is_tanh: bool
    """Between the layers; else rectified linear units."""
    choices: Any
    """`[num_choices]` int64 options of each choice; of size 0: Gaussian actions."""
    alive: Any
    """`[members]` bool; the others neither act nor learn."""
    scratch: Any
    """`[2, ...]` float32 for the activations of a tile and their derivatives."""


class Experience(NamedTuple):
    """What the members learn from."""

    observations: Any
    """`[members, samples, observation_size]` float32, scaled."""
    masks: Any
    """`[members, samples, num_outputs]` bool, allowed actions; of size 0 where all are."""
    actions: Any
    """`[members, samples, action_size]` float32."""
    columns: Any
    """`[members, samples, 5]` float32: old log probability, advantage, return, old value, 1 where the sample counts."""
    order: Any
    """`[members, epochs, samples]` int64 permutations."""


class Adam(NamedTuple):
    """What the optimizer keeps of the members."""

    gradients: Any
    """`[members, size]` float32."""
    first: Any
    """`[members, size]` float32 running mean of the gradients."""
    second: Any
    """`[members, size]` float32 running mean of their squares."""
    steps: Any
    """`[members]` int64 steps so far."""


@compiled
def act(networks, observations, masks, noise, actions, scores):
    """Let every member act in its environments.

    Args:
        networks: `Networks`.
        observations: `[members, num_envs, observation_size]` float32, scaled.
        masks: `[members, num_envs, num_outputs]` bool, allowed actions; of size 0 where all are.
        noise: `[members, num_envs, num_outputs]` float32 as the distribution draws it; of size 0: the most likely
            action.
        actions: `[members, num_envs, action_size]` float32, is filled.
        scores: `[2, members, num_envs]` float32, is filled: log probabilities of the actions, and values; of size 0:
            not asked for.
    """
    parameters, towers, log_std_at, is_tanh, choices, alive, scratch = networks
    num_members, num_envs = observations.shape[:2]
    num_outputs = towers[0, -1, FAN_OUT]
    for member in range(num_members):
        if not alive[member]:
            actions[member] = _ZERO
            if scores.size:
                scores[:, member] = _ZERO
            continue
        own = parameters[member]
        log_std = own[log_std_at : log_std_at + num_outputs]
        for begin in range(0, num_envs, TILE):
            inputs = observations[member, begin : begin + TILE]
            outputs = forward(own, towers[0], is_tanh, inputs, scratch[0])
            end = begin + inputs.shape[0]
            chosen = actions[member, begin:end]
            log_probs = np.zeros(end - begin, np.float32)
            if choices.size:
                logits = np.empty((num_outputs, end - begin), np.float32)
                _log_softmax(outputs, masks[member, begin:end] if masks.size else masks[0], choices, logits)
                for row in range(end - begin):
                    start = 0
                    for part in range(choices.size):
                        best, highest = start, np.float32(-np.inf)
                        for j in range(start, start + choices[part]):
                            value = logits[j, row] + noise[member, begin + row, j] if noise.size else logits[j, row]
                            if value > highest:
                                best, highest = j, value
                        chosen[row, part] = np.float32(best - start)
                        log_probs[row] += logits[best, row]
                        start += choices[part]
            else:
                for row in range(end - begin):
                    for j in range(num_outputs):
                        mean = outputs[row, j]
                        chosen[row, j] = mean + _exp(log_std[j]) * noise[member, begin + row, j] if noise.size else mean
                _log_density(outputs, log_std, chosen, log_probs)
            if scores.size:
                scores[0, member, begin:end] = log_probs
                outputs = forward(own, towers[1], is_tanh, inputs, scratch[0])
                for row in range(inputs.shape[0]):
                    scores[1, member, begin + row] = outputs[row, 0]


@compiled
def gae(rewards, values, terminated, truncated, valid, discount, trace_decay, advantages):
    """Fill `advantages`; see `returns.gae`.

    Args:
        rewards: `[num_steps, members, num_envs]` float32, scaled.
        values: `[num_steps + 1, members, num_envs]` float32.
        terminated, truncated, valid: `[num_steps, members, num_envs]` bool.
        discount: `[members]` float32.
        trace_decay: `[members]` float32.
        advantages: `[members, num_steps, num_envs]` float32.
    """
    num_steps, num_members, num_envs = rewards.shape
    trace = np.zeros(num_envs, np.float32)
    for member in range(num_members):
        trace[:] = _ZERO
        for step in range(num_steps - 1, -1, -1):
            for env in range(num_envs):
                if not valid[step, member, env]:
                    trace[env] = _ZERO
                else:
                    error = rewards[step, member, env] - values[step, member, env]
                    if not terminated[step, member, env]:
                        error += discount[member] * values[step + 1, member, env]
                        if not truncated[step, member, env]:
                            error += discount[member] * trace_decay[member] * trace[env]
                    trace[env] = error
                advantages[member, step, env] = trace[env]


@compiled
def discounted_sums(rewards, ended, running, discount, sums):
    """Fill `sums` and move `running` on; see `normalization.discounted_sums`."""
    for step in range(rewards.shape[0]):
        for env in range(rewards.shape[1]):
            sums[step, env] = running[env] * discount + rewards[step, env]
            running[env] = 0.0 if ended[step, env] else sums[step, env]


@compiled
def _policy_loss(z, log_std, actions, masks, columns, choices, coefficients, share, delta, slope, totals):
    """Turn one tile's actor outputs into derivatives of the loss by them; the rows are the vector lanes.

    Args:
        z: `[rows, width]` float32 outputs.
        log_std: `[num_outputs]` float32; of no meaning for choices.
        actions: `[rows, action_size]` float32.
        masks: `[rows, num_outputs]` bool, or of size 0.
        columns: `[rows, 5]` float32: old log probability, advantage, return, old value, unused.
        choices: options of each choice; of size 0: Gaussian actions.
        coefficients: `[7]` float32.
        share: one over the minibatch's rows.
        delta: `[rows, width]` float32, is filled.
        slope: `[num_outputs]` float32, is added to: derivatives by the log deviations.
        totals: `[7]` float64 sums of the metrics, in the order of `METRICS`.
    """
    rows, num_outputs, clip = z.shape[0], log_std.size, coefficients[CLIP]
    delta[:, :] = _ZERO
    logits = np.empty((num_outputs, rows), np.float32)
    log_probs, entropies = np.zeros(rows, np.float32), np.zeros(rows, np.float32)
    if choices.size:
        _log_softmax(z, masks, choices, logits)
        for row in range(rows):
            start = 0
            for part in range(choices.size):
                log_probs[row] += logits[start + np.int64(actions[row, part]), row]
                start += choices[part]
    else:
        _log_density(z, log_std, actions, log_probs)
    ratios, pulls = np.empty(rows, np.float32), np.empty(rows, np.float32)
    for row in range(rows):
        ratios[row] = _exp(log_probs[row] - columns[row, 0])
    for row in range(rows):
        ratio, advantage = ratios[row], columns[row, 1]
        bounded = min(max(ratio, _ONE - clip), _ONE + clip)
        plain, clipped = -advantage * ratio, -advantage * bounded
        is_free = plain >= clipped or bounded == ratio or ratio != ratio
        pulls[row] = plain * share if is_free else _ZERO
        totals[0] += plain if plain >= clipped or plain != plain else clipped
        totals[3] += ratio - _ONE - (log_probs[row] - columns[row, 0])
        totals[4] += abs(ratio - _ONE) > clip
    weight = coefficients[ENTROPY] * share
    start = 0
    for part in range(choices.size):
        stop = start + choices[part]
        own = np.zeros(rows, np.float32)
        for j in range(start, stop):
            column = logits[j]
            for row in range(rows):
                own[row] -= _exp(column[row]) * column[row]
        for row in range(rows):
            entropies[row] += own[row]
        for j in range(start, stop):
            column = logits[j]
            for row in range(rows):
                chosen = _ONE if np.float32(j - start) == actions[row, part] else _ZERO
                probability = _exp(column[row])
                value = pulls[row] * (chosen - probability) + weight * probability * (column[row] + own[row])
                delta[row, j] = value if not masks.size or masks[row, j] else _ZERO
        start = stop
    if not choices.size:
        for j in range(num_outputs):
            inverse = _exp(-log_std[j])
            for row in range(rows):
                distance = (actions[row, j] - z[row, j]) * inverse
                delta[row, j] = pulls[row] * distance * inverse
                slope[j] += pulls[row] * (distance * distance - _ONE) - weight
                entropies[row] += log_std[j] + (_HALF + _HALF_LOG_TWO_PI)
    for row in range(rows):
        totals[2] += entropies[row]


@compiled
def _value_loss(outputs, columns, coefficients, clips, share, delta, totals):
    """Turn one tile's critic outputs into derivatives of the loss by them."""
    clip = coefficients[CLIP]
    for row in range(outputs.shape[0]):
        delta[row] = _ZERO
        value, target, old = outputs[row, 0], columns[row, 2], columns[row, 3]
        error = value - target
        slope, loss = error, _HALF * error * error
        if clips and abs(value - old) > clip:
            other = old + (clip if value > old else -clip) - target
            if other * other > error * error:
                slope, loss = _ZERO, _HALF * other * other
        delta[row, 0] = coefficients[VALUE] * share * slope
        totals[1] += loss


@compiled
def _step(parameters, gradients, first, second, coefficients, count):
    """Clip the gradient to its norm and take one step of Adam; return the norm before."""
    lanes = np.zeros(LANES, np.float32)
    for i in range(0, gradients.size, LANES):
        for lane in range(LANES):
            lanes[lane] += gradients[i + lane] * gradients[i + lane]
    total = np.float64(0)
    for lane in range(LANES):
        total += np.float64(lanes[lane])
    norm = np.float32(math.sqrt(total))
    factor = min(coefficients[MAX_NORM] / (norm + _NORM_EPSILON), _ONE)
    size = np.float32(np.float64(coefficients[RATE]) / (1.0 - 0.9**count))
    correction = np.float32(1.0 / math.sqrt(1.0 - 0.999**count))
    epsilon = coefficients[EPSILON]
    for i in range(gradients.size):
        g = gradients[i] * factor
        m = first[i] * _BETA1 + g * (_ONE - _BETA1)
        v = second[i] * _BETA2 + g * g * (_ONE - _BETA2)
        first[i], second[i] = m, v
        parameters[i] -= size * (m / (np.sqrt(v) * correction + epsilon))
    return norm


@compiled
def _normalize(columns, count):
    """Scale the advantages of a minibatch to zero mean and unit deviation."""
    mean = np.float64(0)
    for row in range(count):
        mean += columns[row, 1]
    mean /= max(count, 1)
    square = np.float64(0)
    for row in range(count):
        square += (columns[row, 1] - mean) ** 2
    deviation = math.sqrt(square / max(count - 1, 1)) + 1e-8
    for row in range(count):
        columns[row, 1] = np.float32((columns[row, 1] - mean) / deviation)


@compiled
def learn(networks, adam, experience, coefficients, num_minibatches, normalizes, clips_value, transposed, metrics):
    """Let every member learn from its batch: epochs of minibatches, each with one step of Adam.

    Args:
        networks: `Networks`; learning changes the parameters.
        adam: `Adam`; counts on.
        experience: `Experience`.
        coefficients: `[members, 7]` float32.
        num_minibatches: parts of an epoch.
        normalizes: scale the advantages in each minibatch.
        clips_value: limit the critic's step.
        transposed: scratch for weights.
        metrics: `[members, 7]` float64, is filled: means over the minibatches.
    """
    parameters, towers, log_std_at, is_tanh, choices, alive, scratch = networks
    observations, masks, actions, old, order = experience
    gradients, first, second, steps = adam
    num_members, num_epochs, num_samples = order.shape
    size = num_samples // num_minibatches
    num_outputs = towers[0, -1, FAN_OUT]
    x = np.empty((size, observations.shape[2]), np.float32)
    a = np.empty((size, actions.shape[2]), np.float32)
    allowed = np.empty((size if masks.size else 1, masks.shape[2]), np.bool_)
    columns = np.empty((size, 5), np.float32)
    totals = np.empty(7, np.float64)
    for member in range(num_members):
        metrics[member] = 0.0
        if not alive[member]:
            continue
        own, gradient, coefficient = parameters[member], gradients[member], coefficients[member]
        log_std = own[log_std_at : log_std_at + num_outputs]
        slope = gradient[log_std_at : log_std_at + num_outputs]
        rounds = 0
        for epoch in range(num_epochs):
            for part in range(num_minibatches):
                count = 0
                for sample in order[member, epoch, part * size : (part + 1) * size]:
                    if old[member, sample, 4] > _ZERO:
                        x[count] = observations[member, sample]
                        a[count] = actions[member, sample]
                        columns[count] = old[member, sample]
                        if masks.size:
                            allowed[count] = masks[member, sample]
                        count += 1
                if normalizes:
                    _normalize(columns, count)
                share = _ONE / np.float32(max(count, 1))
                gradient[:] = _ZERO
                totals[:] = 0.0
                for tower in range(2):
                    layers = towers[tower]
                    _transpose(own, layers, transposed)
                    place, width = layers[-1, OUTPUT], layers[-1, WIDTH]
                    for begin in range(0, count, TILE):
                        end = min(begin + TILE, count)
                        tile = x[begin:end]
                        outputs = forward(own, layers, is_tanh, tile, scratch[0])
                        delta = scratch[1, place : place + (end - begin) * width].reshape(end - begin, width)
                        if tower == 0:
                            some = allowed[begin:end] if masks.size else allowed
                            _policy_loss(
                                outputs,
                                log_std,
                                a[begin:end],
                                some if masks.size else allowed[:, :0],
                                columns[begin:end],
                                choices,
                                coefficient,
                                share,
                                delta,
                                slope,
                                totals,
                            )
                        else:
                            _value_loss(outputs, columns[begin:end], coefficient, clips_value, share, delta, totals)
                        _backward(layers, transposed, is_tanh, tile, scratch[0], scratch[1], gradient)
                steps[member] += 1
                totals[:5] *= share
                totals[5] = _step(own, gradient, first[member], second[member], coefficient, steps[member])
                totals[6] = totals[5] > coefficient[MAX_NORM]
                metrics[member] += totals
                rounds += 1
            if totals[3] > coefficient[TARGET_KL]:
                break
        metrics[member] /= rounds
