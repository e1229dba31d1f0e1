"""Models by handle: providers as rows of data, models in this process, and scripted ones.

model.py            Model, ModelCard: what the turn asks of any model
settings.py         ModelSettings: which providers are configured
providers.py        Provider; configured_providers(settings)
kinds.py            what kinds of providers there are, and how each differs from its wire
rows.py             providers of a tenant as rows, with sealed keys
bedrock.py          Anthropic's models on Amazon Bedrock, signed (extra `bedrock`)
thinking.py         how much a model is to think, in its provider's words
windows.py          how large well-known models' windows are; vectors.py: how long their vectors
registry.py         Models: register, resolve a handle, list
payload.py          what exactly a model would be sent
scripted.py         directives in a message → a scripted reply; ScriptedModel
scripted_wire.py    the same replies as bytes of both wires
scripted_server.py  the same replies over sockets, for tests, benchmarks and acceptance runs
local.py            LocalModel: SmolLM2 in this process (extra `local`)
weights.py          get_weights: fetch and check them
limits.py           this room's bounds
"""

from kelpie.models.model import Model, ModelCard
from kelpie.models.providers import Provider, configured_providers
from kelpie.models.registry import Models
from kelpie.models.scripted import ScriptedModel
from kelpie.models.settings import ModelSettings

__all__ = [
    "Model",
    "ModelCard",
    "ModelSettings",
    "Models",
    "Provider",
    "ScriptedModel",
    "configured_providers",
]
