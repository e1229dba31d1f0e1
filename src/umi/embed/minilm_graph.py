"""MiniLM as an ONNX graph, from the published weights, without torch: a build step that runs once per machine.

The graph takes the token ids of ONE text and gives its unit vector: no batch and no mask, because on one thread a text
at a time is faster than a batch, and a vector must not depend on its neighbours in one. What the weights allow is
folded in: the type embedding into the positions, the attention's 1/sqrt(d) into the query, query, key and value into
one product.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from umi.errors import EnvironmentFault

if TYPE_CHECKING:  # numpy and onnx are imported by whoever builds
    import numpy as np
    import onnx

DIMENSIONS = 384
TOKENS_MAX = 256  # what the model was trained for; later words of a text are not seen
_HEADS, _HEAD_SIZE = 12, 32
_LAYERS = 6
_EPSILON = 1e-12
_BLOCK = 32  # weights that share a scale
# Both pinned: the file's bytes then depend on the weights and on this module, not on the version of onnx.
_OPSET, _IR_VERSION = 20, 9


def read_safetensors(raw: bytes) -> "dict[str, np.ndarray[Any, Any]]":
    """The 32-bit tensors of a safetensors file, as views into `raw`. Raises EnvironmentFault for another format."""
    import numpy as np

    head_bytes = int.from_bytes(raw[:8], "little")
    try:
        head = msgspec.json.decode(raw[8 : 8 + head_bytes], type=dict[str, dict[str, Any]])
        data = memoryview(raw)[8 + head_bytes :]
        return {
            name: np.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
            for name, entry in head.items()
            if name != "__metadata__" and entry["dtype"] == "F32"
        }
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvironmentFault(f"the model's weights are no safetensors file: {error}") from None


def build(weights: "dict[str, np.ndarray[Any, Any]]", *, quantised: bool = True) -> bytes:
    """The model's file. Not `quantised` it is four times as large and exact to 1e-6: what the other is compared with.

    Takes about a second. Raises EnvironmentFault if a weight is missing.
    """
    import onnx

    graph = _Graph(weights, quantised=quantised)
    try:
        graph.encoder()
    except KeyError as error:
        raise EnvironmentFault(f"the model's weights hold no {error}") from None
    ids = onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["tokens"])
    vector = onnx.helper.make_tensor_value_info("vector", onnx.TensorProto.FLOAT, [DIMENSIONS])
    made = onnx.helper.make_graph(graph.nodes, "minilm", [ids], [vector], graph.constants)
    opsets = [onnx.helper.make_opsetid("", _OPSET), onnx.helper.make_opsetid("com.microsoft", 1)]
    model = onnx.helper.make_model(made, producer_name="umi", opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def quantised_blocks(matrix: "np.ndarray[Any, Any]") -> "tuple[np.ndarray[Any, Any], ...]":
    """Rows in blocks of 8-bit integers as MatMulNBits reads them, with a scale and a zero point for each block.

    A zero point of its own halves the ranks that rounding moves: few blocks lie evenly around zero.
    """
    import numpy as np

    rows, columns = matrix.shape
    blocks = matrix.reshape(rows, columns // _BLOCK, _BLOCK)
    low, high = np.minimum(blocks.min(axis=2), 0), np.maximum(blocks.max(axis=2), 0)
    scales = np.maximum((high - low) / np.float32(255), np.finfo(np.float32).tiny)
    zeros = np.rint(-low / scales)
    integers = np.clip(np.rint(blocks / scales[:, :, None]) + zeros[:, :, None], 0, 255)
    return integers.astype(np.uint8), scales.astype(np.float32), zeros.astype(np.uint8)


class _Graph:
    def __init__(self, weights: "dict[str, np.ndarray[Any, Any]]", *, quantised: bool) -> None:
        self._weights = weights
        self._quantised = quantised
        self._names = (f"t{number}" for number in range(10_000))
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def encoder(self) -> None:
        x = self._normalised(self._embedded(), "embeddings.LayerNorm")
        for layer in range(_LAYERS):
            at = f"encoder.layer.{layer}"
            attended = self._product(self._attention(x, at), f"{at}.attention.output.dense")
            x = self._normalised(self._node("Add", x, attended), f"{at}.attention.output.LayerNorm")
            wide = self._node("Gelu", self._product(x, f"{at}.intermediate.dense"))
            x = self._normalised(
                self._node("Add", x, self._product(wide, f"{at}.output.dense")), f"{at}.output.LayerNorm"
            )
        mean = self._node("ReduceMean", x, self._integers([0]), keepdims=0)
        self._node("LpNormalization", mean, axis=0, p=2, to="vector")

    def _embedded(self) -> str:
        import numpy as np

        words = self._weights["embeddings.word_embeddings.weight"]
        if self._quantised:  # a row of integers and its scale: a quarter of the file
            scales = np.abs(words).max(axis=1, keepdims=True) / np.float32(127)
            table = self._constant(np.rint(words / np.maximum(scales, 1e-30)).astype(np.int8))
            integers = self._node("Cast", self._node("Gather", table, "ids"), to_type=1)
            word = self._node("Mul", integers, self._node("Gather", self._constant(scales.astype(np.float32)), "ids"))
        else:
            word = self._node("Gather", self._constant(words), "ids")
        positions = self._weights["embeddings.position_embeddings.weight"][:TOKENS_MAX]
        table = self._constant(positions + self._weights["embeddings.token_type_embeddings.weight"][0])
        place = self._node("Slice", table, self._integers([0]), self._node("Shape", "ids"), self._integers([0]))
        return self._node("Add", word, place)

    def _attention(self, x: str, at: str) -> str:
        """Every head at once: [heads, tokens, size]."""
        import numpy as np

        parts = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
        scale = np.float32(_HEAD_SIZE**-0.5)
        matrices = [self._weights[f"{part}.weight"] for part in parts]
        biases = [self._weights[f"{part}.bias"] for part in parts]
        matrix = np.concatenate([matrices[0] * scale, *matrices[1:]])
        bias = np.concatenate([biases[0] * scale, *biases[1:]])
        shaped = self._node("Reshape", self._linear(x, matrix, bias), self._integers([0, 3, _HEADS, _HEAD_SIZE]))
        ordered = self._node("Transpose", shaped, perm=[1, 2, 0, 3])
        query, key, value = self._split(ordered)
        scores = self._node("MatMul", query, self._node("Transpose", key, perm=[0, 2, 1]))
        mixed = self._node("MatMul", self._node("Softmax", scores, axis=-1), value)
        return self._node("Reshape", self._node("Transpose", mixed, perm=[1, 0, 2]), self._integers([0, DIMENSIONS]))

    def _split(self, stacked: str) -> Iterator[str]:
        for part in range(3):
            yield self._node("Gather", stacked, self._scalar(part), axis=0)

    def _product(self, x: str, name: str) -> str:
        return self._linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _linear(self, x: str, matrix: "np.ndarray[Any, Any]", bias: "np.ndarray[Any, Any]") -> str:
        """x times `matrix` (a row per output), plus `bias`."""
        import numpy as np

        if not self._quantised:
            product = self._node("MatMul", x, self._constant(np.ascontiguousarray(matrix.T)))
            return self._node("Add", product, self._constant(bias))
        parts = [self._constant(part) for part in quantised_blocks(matrix)]
        shape = {"N": matrix.shape[0], "K": matrix.shape[1], "bits": 8, "block_size": _BLOCK, "accuracy_level": 4}
        return self._node("MatMulNBits", x, *parts, "", self._constant(bias), domain="com.microsoft", **shape)

    def _normalised(self, x: str, name: str) -> str:
        weight, bias = (self._constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self._node("LayerNormalization", x, weight, bias, axis=-1, epsilon=_EPSILON)

    def _node(self, operator: str, *inputs: str, to: str = "", to_type: int | None = None, **attributes: Any) -> str:
        import onnx

        if to_type is not None:
            attributes["to"] = to_type
        name = to or next(self._names)
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _constant(self, value: "np.ndarray[Any, Any]") -> str:
        import onnx

        name = next(self._names)
        self.constants.append(onnx.numpy_helper.from_array(value, name))
        return name

    def _integers(self, values: list[int]) -> str:
        import numpy as np

        return self._constant(np.array(values, np.int64))

    def _scalar(self, value: int) -> str:
        import numpy as np

        return self._constant(np.array(value, np.int64))
