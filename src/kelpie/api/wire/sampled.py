"""What a backend said of the tokens of a run's replies, for those who train on them."""

from collections.abc import Sequence
from typing import Any

from kelpie.trajectories.records import RunOptions, Step, StoredMessage, Tokens
from umi.wire.types import LikelyToken, SampledToken


def told(options: RunOptions, steps: Sequence[Step], said: Sequence[StoredMessage]) -> dict[str, Any]:
    """What of it the sender asked for: the probabilities of the last reply's tokens, and every turn with its tokens.
    Null for what the backend did not say."""
    found: dict[str, Any] = {}
    if options.logprobs:
        last = next((step.tokens for step in reversed(steps) if step.tokens is not None), None)
        found["logprobs"] = _logprobs(last)
    if options.token_ids:
        found["turns"] = _turns(steps, said)
    return found


def _logprobs(tokens: Tokens | None) -> dict[str, Any] | None:
    if tokens is None or tokens.sampled is None:
        return None
    return {"content": [_sampled(one) for one in tokens.sampled], "refusal": None}


def _sampled(token: SampledToken) -> dict[str, Any]:
    return _likely(token) | {"top_logprobs": [_likely(one) for one in token.top_logprobs or ()]}


def _likely(token: LikelyToken) -> dict[str, Any]:
    return {"token": token.token, "bytes": token.bytes, "logprob": token.logprob}


def _turns(steps: Sequence[Step], said: Sequence[StoredMessage]) -> list[dict[str, Any]]:
    """The model's replies with their tokens, and the tools' results between them, which nobody learns to write."""
    by_id = {step.id: step.tokens for step in steps}
    turns: list[dict[str, Any]] = []
    for message in said:
        body = message.body
        if body.role == "tool":
            turns.append({"role": "tool", "content": body.text, "tool_name": body.name})
            continue
        tokens = by_id.pop(message.step_id or "", None)  # what a tool says to the user comes after, and has none
        if body.role == "assistant" and tokens is not None:
            turns.append({"role": "assistant", "content": body.text or None, **_output(tokens)})
    return turns


def _output(tokens: Tokens) -> dict[str, Any]:
    ids, sampled = tokens.ids, tokens.sampled
    if sampled is None:
        return {"output_ids": ids, "output_token_logprobs": None}
    numbers: Sequence[int | None] = ids if ids is not None and len(ids) == len(sampled) else [one.id for one in sampled]
    rows = [[one.logprob, number, one.token] for one, number in zip(sampled, numbers, strict=True)]
    return {"output_ids": ids, "output_token_logprobs": rows}
