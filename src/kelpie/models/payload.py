"""What exactly a model would be sent, without sending it."""

from kelpie.models.model import Model
from umi.wire import AnthropicWire, OpenAIWire
from umi.wire.openai_request import openai_segments
from umi.wire.quirks import NO_QUIRKS
from umi.wire.types import Request


def payload(model: Model, request: Request, *, streamed: bool) -> bytes:
    """The body of the call, as JSON. A model in this process is sent none: of it, that of a chat completions call."""
    if isinstance(model, OpenAIWire | AnthropicWire):
        return b"".join(model.segments(request, streamed=streamed))
    return b"".join(openai_segments(request, NO_QUIRKS, streamed=streamed))
