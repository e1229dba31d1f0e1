"""Other wordings of a query, by a model: one call, at most three, and never worse than without."""

import re

import msgspec

from umi import limits
from umi.dst import Host
from umi.extract import Model

SYSTEM = (
    "You help to search a memory of dated statements, such as turns of conversations. You are given a question that"
    " found little. Write other searches for the same thing: the words that the statement itself would use, synonyms,"
    " the question's parts. Invent no names and no facts."
)
_PROMPT = (
    'Question: {query}\nAnswer with a JSON array of 2 to {count} short strings and nothing else, as in ["…", "…"].'
)
_ARRAY = re.compile(r"\[.*\]", re.DOTALL)


async def rewritten(model: Model, query: str, host: Host) -> list[str]:
    """Other wordings, RETRIEVAL_QUERY_REWRITE_COUNT_MAX at most; none if the model fails, is late or talks rubbish."""
    count = limits.RETRIEVAL_QUERY_REWRITE_COUNT_MAX
    prompt = _PROMPT.format(query=msgspec.json.encode(query).decode(), count=count)
    try:
        async with host.clock.timeout(limits.RETRIEVAL_MODEL_TIMEOUT_MS):
            answer = await model.complete(prompt, system=SYSTEM, max_tokens=limits.RETRIEVAL_MODEL_TOKENS_MAX)
    except Exception:  # noqa: BLE001 - whatever somebody else's model does, the first pass stands
        return []
    return _read(answer, query)[:count]


def query_of(prompt: str) -> str:
    """The query that a prompt of ours asks to rewrite: what a simulated model needs."""
    query: str = msgspec.json.decode(prompt.partition("Question: ")[2].partition("\n")[0])
    return query


def _read(answer: object, query: str) -> list[str]:
    if not isinstance(answer, str) or len(answer) > limits.LLM_RESPONSE_BYTES_MAX:
        return []
    found = _ARRAY.search(answer)
    if found is None:
        return []
    try:
        wordings = msgspec.json.decode(found.group(), type=list[str])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return []
    kept = (" ".join(one.split()) for one in wordings)
    return [
        one
        for one in dict.fromkeys(kept)
        if one and one != query and len(one.encode(errors="replace")) <= limits.RETRIEVAL_QUERY_BYTES_MAX
    ]
