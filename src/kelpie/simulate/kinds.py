"""Every kind of fault a run may meet. A room that brings faults of its own adds its table here."""

from collections.abc import Mapping
from types import MappingProxyType

from kelpie.simulate.machines.connection import CONNECTION_KINDS
from kelpie.simulate.machines.fault_points import STORE_KINDS
from umi.dst.faults import KINDS as MACHINE_KINDS
from umi.embed.simulated import KINDS as EMBEDDER_KINDS

CRASH_KINDS = {
    "crash.silo": "a server process is killed",
    "crash.store": "the store's process is killed",
    "crash.before_commit": "a server process dies when it is about to commit",
    "crash.after_commit": "a server process dies when its commit is durable and nobody knows yet",
    "crash.surprise": "a read raises what nobody has foreseen, as a bug of ours would",
    "crash.paused": "a server process stands still, and goes on later as if nothing had happened",
}
RESOURCE_KINDS = {
    "resource.memory_limit": "a tool needs more memory than it may have, and is killed",
    "resource.queue_full": "an agent's mailbox takes no more",
    "resource.open_runs": "a server has as many open runs as it may",
}
MODEL_KINDS = {
    "model.timeout": "the provider takes the request and never answers",
    "model.rate_limit": "429",
    "model.server_error": "500",
    "model.malformed": "an answer that is no reply",
    "model.cut_stream": "the answer ends in the middle",
    "model.wrong_arguments": "a tool call whose arguments are not what the tool takes",
    "model.unknown_tool": "a call of a tool that isn't there",
    "model.empty_reply": "neither text nor calls",
    "model.context_overflow": "the provider says that the prompt is too long",
}
TOOL_KINDS = {
    "tool.raise": "the tool raises",
    "tool.hang": "the tool never ends, and is killed",
    "tool.crash_before_effect": "the tool's process dies before it did anything",
    "tool.crash_after_effect": "the tool's process dies when it had done its work",
    "tool.huge_output": "the tool returns far more than anybody can read",
    "tool.no_place": "every place of the sandbox is taken",
    "tool.no_level": "no level of isolation is strong enough any more",
    "microvm.dies": "a virtual machine dies in the middle of a call",
}
KINDS: Mapping[str, str] = MappingProxyType(
    {
        **MACHINE_KINDS,
        **STORE_KINDS,
        **CRASH_KINDS,
        **RESOURCE_KINDS,
        **MODEL_KINDS,
        **TOOL_KINDS,
        **CONNECTION_KINDS,
        **EMBEDDER_KINDS,
    }
)
