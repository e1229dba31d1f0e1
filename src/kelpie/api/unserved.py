"""What Letta's API has and this server has not, yet: answered 501 and one sentence, so that a client can tell it from
a wrong path."""

import re

# Paths below /v1, as regular expressions. Paths that are served never come here.
_RESOURCES = (
    "_internal_.* access-tokens admin anthropic archives auth batches chat client-side-access-tokens conversations"
    " device-storage-key embeddings environments feeds folders git groups identities jobs legacy-templates mcp-servers"
    " messages metadata organizations passages pipelines projects provider-models providers sandbox-config sandboxes"
    " schedules? sources tags telemetry templates users voice-beta zai"
).split()
_OF_AGENT = (
    "archives context core-memory core-memory/variables export files folders generate groups identities"
    " memory-files recompile reset-messages schedule sources summarize system-prompt tools/approval"
).split()
_PARTS = (
    rf"(?:{'|'.join(_RESOURCES)})(?:/.*)?",
    rf"agents/[^/]+/(?:{'|'.join(_OF_AGENT)})(?:/.*)?",
    r"agents/(?:import|search|search/count|messages/search)",
    r"agents/[^/]+/messages/.+",
    r"agents/[^/]+/tools/[^/]+/run",
    r"blocks/[^/]+/identities/.+",
    r"models/embeddings",
    r"runs/active",
    r"runs/[^/]+/(?:metrics|stream|trace)",
    r"steps/[^/]+/(?:feedback|messages|metrics|trace|transaction/.+)",
    r"steps/feedback(?:/.*)?",
    r"tools/(?:add-base-tools|generate-schema|generate-tool|mcp/.*|run|search)",
)
_UNSERVED = re.compile(rf"^/v1/(?:{'|'.join(_PARTS)})$")


def sentence(method: str, path: str) -> str | None:
    """What to answer for a path of Letta's that isn't served; None for a path it doesn't have."""
    if _UNSERVED.match(path) is None:
        return None
    return f"{method} {path} is not served yet"
