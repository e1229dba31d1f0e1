"""A model that is none: it answers every prompt of this room, from the prompt alone, the same each time."""

import msgspec

from umi.errors import InvalidInput
from umi.extract.local import LocalExtractor
from umi.extract.prompt import SYSTEM, texts_of


class SimulatedModel:
    """Answers with what local extraction finds, in the shape that a model is asked for. `prompts` are those it got."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self._local = LocalExtractor()

    async def complete(self, prompt: str, *, system: str, max_tokens: int) -> str:  # noqa: ARG002 - the protocol's
        """Raises InvalidInput for a prompt that isn't umi.extract's."""
        self.prompts.append(prompt)
        if system != SYSTEM:
            raise InvalidInput("the simulated model knows only the prompt of umi.extract")
        texts = [self._answer(number, text) for number, text in enumerate(texts_of(prompt))]
        return msgspec.json.encode({"reasoning": "local rules", "texts": texts}).decode()

    def _answer(self, number: int, text: str) -> dict[str, object]:
        found = self._local.extract(text, document_time_ms=0)
        places = {one.name: place for place, one in enumerate(found.mentions)}
        return {
            "text": number,
            "entities": [
                {"name": one.name, "type": one.type, "content": one.content, "confidence": one.confidence}
                for one in found.mentions
            ],
            "relations": [
                {
                    "subject": places[claim.subject],
                    "relation": claim.attribute,
                    "object": places[claim.value],
                    "negated": claim.negated,
                }
                for claim in found.claims
                if claim.subject in places and claim.value in places
            ],
            "date": None,
        }
