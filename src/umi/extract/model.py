"""Extraction by a language model: one call for a batch of texts, and local extraction wherever it doesn't help."""

import hashlib
from collections.abc import Container, Sequence
from typing import Protocol

import msgspec

from umi import limits
from umi.dst import Host
from umi.entity import Entity, Extraction
from umi.extract.chunk import fitting
from umi.extract.local import LocalExtractor
from umi.extract.prompt import SYSTEM, believed, prompt_of
from umi.extract.repair import repaired
from umi.wire.types import Message, Reply, Request

_REMEMBERED_MAX = 1_000  # answers kept: the same text is not asked about twice


class Model(Protocol):
    """What umi asks of a language model: text in, text out. It may fail, hang and lie."""

    async def complete(self, prompt: str, *, system: str, max_tokens: int) -> str: ...


class Wire(Protocol):
    """OpenAIWire or AnthropicWire of umi.wire."""

    async def reply(self, request: Request) -> Reply: ...


class WiredModel:
    """A Model over one of umi's own wires; `name` is the provider's name of the model. Raises ModelError."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire, self._name = wire, name

    async def complete(self, prompt: str, *, system: str, max_tokens: int) -> str:
        messages = [Message("system", system), Message("user", prompt)]
        reply = await self._wire.reply(Request(self._name, messages, max_output_tokens=max_tokens))
        return reply.text or ""


class ModelExtractor:
    """`handle` is written into what the model found (Extraction.by); what it could not do is "local"."""

    def __init__(self, model: Model, host: Host, *, handle: str = "model", local: LocalExtractor | None = None) -> None:
        self._model, self._host, self._handle = model, host, handle
        self._local = local or LocalExtractor()
        self._answers: dict[bytes, Extraction] = {}

    async def extract(
        self,
        texts: Sequence[str],
        *,
        document_time_ms: Sequence[int],
        speakers: Sequence[str | None] | None = None,
        known: Sequence[Entity] = (),
        known_facts: Container[str] = (),
    ) -> list[Extraction]:
        """One Extraction a text, with at most one call for all of them.

        document_time_ms  when each text was said; speakers who said it
        known_facts       texts that memory holds already: they are not sent

        Not sent either: texts asked about before, and those for which LLM_PROMPT_BYTES_MAX leaves no room. Raises
        InvalidInput and LimitExceeded for a bad text, before any call, and nothing for a bad model.
        """
        speakers = speakers or [None] * len(texts)
        said = list(zip(texts, document_time_ms, speakers, strict=True))
        found = [
            self._local.extract(text, document_time_ms=told_ms, speaker=speaker, known=known)
            for text, told_ms, speaker in said
        ]
        keys = [_key(text, told_ms, speaker) for text, told_ms, speaker in said]
        asked: dict[bytes, int] = {}
        for number, (text, key) in enumerate(zip(texts, keys, strict=True)):
            if key not in self._answers and text.strip() and text not in known_facts:
                asked.setdefault(key, number)
        numbers = self._fitting(list(asked.values()), texts, known)
        if numbers:
            answers = await self._ask([texts[n] for n in numbers], [document_time_ms[n] for n in numbers], known)
            for place, extraction in answers.items():
                self._keep(keys[numbers[place]], _spoken_by(extraction, speakers[numbers[place]]))
        return [
            self._answers.get(key, local) if text not in known_facts else local
            for text, key, local in zip(texts, keys, found, strict=True)
        ]

    def _fitting(self, numbers: list[int], texts: Sequence[str], known: Sequence[Entity]) -> list[int]:
        """The first of these texts that one prompt has room for."""
        room = limits.LLM_PROMPT_BYTES_MAX - len(SYSTEM.encode())
        kept: list[int] = []
        size = len(self._prompt([], known).encode())
        for number in numbers:
            size += len(self._prompt([texts[number]], ()).encode()) + len(str(len(numbers))) + 1
            if size > room:
                break
            kept.append(number)
        return kept

    def _prompt(self, texts: Sequence[str], known: Sequence[Entity]) -> str:
        return prompt_of(texts, known, self._local.type_names, self._local.relation_names)

    async def _ask(
        self, texts: Sequence[str], told_ms: Sequence[int], known: Sequence[Entity]
    ) -> dict[int, Extraction]:
        prompt = self._prompt(texts, known)
        try:
            async with self._host.clock.timeout(limits.EXTRACTION_MODEL_TIMEOUT_MS):
                answer = await self._model.complete(
                    prompt, system=SYSTEM, max_tokens=limits.EXTRACTION_MODEL_TOKENS_MAX
                )
        except Exception:  # noqa: BLE001 - whatever somebody else's model does, what was said is remembered
            return {}
        if not isinstance(answer, str):
            return {}
        answer = answer[: fitting(answer, limits.LLM_RESPONSE_BYTES_MAX)]
        names = (self._local.type_names, self._local.relation_names)
        return believed(repaired(answer), texts, known, told_ms, *names, self._handle)

    def _keep(self, key: bytes, extraction: Extraction) -> None:
        if len(self._answers) >= _REMEMBERED_MAX:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = extraction


def _key(text: str, told_ms: int, speaker: str | None) -> bytes:
    return hashlib.sha256(f"{told_ms}\n{speaker}\n{text}".encode()).digest()


def _spoken_by(extraction: Extraction, speaker: str | None) -> Extraction:
    """ "self" under the speaker's own name."""
    if speaker is None:
        return extraction
    replace = msgspec.structs.replace
    mentions = [replace(one, name=speaker, type="person") if one.type == "self" else one for one in extraction.mentions]
    claims = [
        replace(
            claim,
            subject=speaker if claim.subject == "self" else claim.subject,
            value=speaker if claim.value == "self" else claim.value,
        )
        for claim in extraction.claims
    ]
    return replace(extraction, mentions=mentions, claims=claims)
