"""What each tool takes, by name."""

from typing import Annotated

from msgspec import Meta

from kelpie.api import limits
from umi import limits as umi_limits
from umi.serve.parameters import Parameters

AgentId = Annotated[str, Meta(description="The agent's id.", max_length=100)]
Limit = Annotated[int, Meta(ge=1, le=limits.PAGE_ITEMS_MAX, description="At most so many.")]
Seconds = Annotated[
    int, Meta(ge=0, le=limits.MCP_WAIT_S_MAX, description="How long to wait for the answer; later it can be fetched.")
]


class Nothing(Parameters, frozen=True, kw_only=True):
    pass


class ListAgents(Parameters, frozen=True, kw_only=True):
    limit: Limit = limits.PAGE_ITEMS_DEFAULT
    after: Annotated[str | None, Meta(description="The id that the page follows.")] = None
    text: Annotated[str | None, Meta(description="Only agents with this in their name.")] = None


class SendMessage(Parameters, frozen=True, kw_only=True):
    agent_id: AgentId
    message: Annotated[str, Meta(min_length=1, description="What to tell or ask the agent.")]
    wait_s: Seconds = limits.MCP_WAIT_S_DEFAULT


class OneRun(Parameters, frozen=True, kw_only=True):
    run_id: Annotated[str, Meta(description="The run's id, as send_message gave it.", max_length=100)]
    wait_s: Seconds = 0


class Recall(Parameters, frozen=True, kw_only=True):
    agent_id: AgentId
    query: Annotated[str, Meta(description="What to find, in plain words.")]
    limit: Annotated[int, Meta(ge=1, le=umi_limits.MEMORY_RECALL_LIMIT_MAX)] = umi_limits.MEMORY_RECALL_LIMIT_DEFAULT


class Remember(Parameters, frozen=True, kw_only=True):
    agent_id: AgentId
    text: Annotated[str, Meta(min_length=1, description="What the agent is to know from now on, in whole sentences.")]
    tags: tuple[str, ...] = ()


class OneAgent(Parameters, frozen=True, kw_only=True):
    agent_id: AgentId


class SetBlock(Parameters, frozen=True, kw_only=True):
    agent_id: AgentId
    label: Annotated[str, Meta(description="The block's label.")]
    value: Annotated[str, Meta(description="What the block says from now on.")]


class Ask(Parameters, frozen=True, kw_only=True):
    question: Annotated[str, Meta(description="The question, in words.")]
    semantic_model: Annotated[str | None, Meta(description="Its id or name; needed where there are several.")] = None
    session: Annotated[str, Meta(description="Questions of one session follow each other.")] = "default"
    model: Annotated[str | None, Meta(description="The handle of the model that answers.")] = None
    speaker: Annotated[str | None, Meta(description="For whom: a person's handle or name, or a team's name.")] = None
