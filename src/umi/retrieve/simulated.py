"""A model that is none: it answers every prompt that umi sends, from the prompt alone, the same each time."""

import msgspec

from umi.extract.simulated import SimulatedModel as Extracting
from umi.retrieve.rewrite import SYSTEM, query_of

# Other words for a few: enough to see that a rewriting finds what its query didn't.
_OTHERWISE = {"physician": "doctor", "automobile": "car", "pet": "cat", "residence": "home", "occupation": "works"}


class SimulatedModel(Extracting):
    """Answers extraction as umi.extract's does, and rewriting with other words for the few it knows."""

    async def complete(self, prompt: str, *, system: str, max_tokens: int) -> str:
        """Raises InvalidInput for a prompt that isn't umi's."""
        if system != SYSTEM:
            return await super().complete(prompt, system=system, max_tokens=max_tokens)
        self.prompts.append(prompt)
        words = [word.strip("?.,!") for word in query_of(prompt).split()]
        return msgspec.json.encode([" ".join(_OTHERWISE.get(word.lower(), word) for word in words)]).decode()
