"""The graph computes what the published model does: to 1e-5 in 32 bits, and to the rank in 8."""

import numpy as np
import onnxruntime
import pytest

from umi.embed import minilm_graph
from umi.embed.minilm_graph import DIMENSIONS, TOKENS_MAX, build, quantised_blocks, read_safetensors
from umi.errors import EnvironmentFault

from .minilm_reference import forward, random_weights, safetensors

WORDS = 60


@pytest.fixture(scope="module")
def weights():
    return random_weights(WORDS, layers=2)


@pytest.fixture
def two_layers(monkeypatch):
    monkeypatch.setattr(minilm_graph, "_LAYERS", 2)


def run(model, ids):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return [session.run(None, {"ids": np.array(one, np.int64)})[0] for one in ids]


def texts_of_ids():
    draw = np.random.default_rng(3).integers
    return [draw(0, WORDS, size).tolist() for size in (1, 2, 3, 17, 64, TOKENS_MAX - 1, TOKENS_MAX)]


def test_the_graph_in_32_bits_is_the_reference_to_a_hundred_thousandth(weights, two_layers):
    for ids, vector in zip(texts_of_ids(), run(build(weights, quantised=False), texts_of_ids()), strict=True):
        assert vector.shape == (DIMENSIONS,)
        assert np.abs(vector - forward(weights, ids)).max() < 1e-5


def test_the_graph_in_8_bits_points_almost_the_same_way(weights, two_layers):
    for ids, vector in zip(texts_of_ids(), run(build(weights), texts_of_ids()), strict=True):
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert vector @ forward(weights, ids) > 0.995


def test_8_bits_take_a_quarter_of_the_room(weights, two_layers):
    assert len(build(weights)) < 0.35 * len(build(weights, quantised=False))


def test_building_twice_gives_the_same_bytes(weights, two_layers):
    assert build(weights) == build(weights)


def test_each_weight_comes_back_within_half_a_step_of_its_block():
    matrix = np.random.default_rng(5).standard_normal((64, 96)).astype(np.float32)
    matrix[0, :32], matrix[1, :32], matrix[2, :32] = 0, 3, -2  # nothing, and blocks that don't reach zero
    integers, scales, zeros = quantised_blocks(matrix)
    assert integers.shape == (64, 3, 32)
    assert integers.dtype == zeros.dtype == np.uint8
    back = (integers.astype(np.float32) - zeros[:, :, None]) * scales[:, :, None]
    # One step: the zero point is rounded as well.
    assert (np.abs(back.reshape(matrix.shape) - matrix) <= np.repeat(scales, 32, axis=1) * 1.01).all()


def test_safetensors_are_read_as_they_were_written(weights):
    read = read_safetensors(safetensors(weights))
    assert read.keys() == weights.keys(), "the tensor of integers is left out"
    assert all((read[name] == weights[name]).all() for name in weights)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x08",
        b"\xff" * 64,
        b"\x02" + bytes(7) + b"[]",
        b"\x08" + bytes(7) + b'{"a":1} ',
        b"\x04" + bytes(7) + b"null",
    ],
)
def test_what_is_no_safetensors_file_is_refused(raw):
    with pytest.raises(EnvironmentFault, match="no safetensors file"):
        read_safetensors(raw)


def test_a_tensor_that_reaches_beyond_the_file_is_refused(weights):
    with pytest.raises(EnvironmentFault, match="no safetensors file"):
        read_safetensors(safetensors(weights)[:-1])


def test_a_missing_weight_is_named(weights, two_layers):
    del (some := dict(weights))["encoder.layer.1.output.dense.bias"]
    with pytest.raises(EnvironmentFault, match=r"hold no 'encoder.layer.1.output.dense.bias'"):
        build(some)
