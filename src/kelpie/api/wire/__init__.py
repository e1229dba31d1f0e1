"""Letta's words: what clients send and get, and the functions that turn it into ours and back. Nothing below this
package knows them.

    agents, blocks, tools, archival, archives, models   resources, both ways
    model_settings  of an agent; sampled: what a backend said of the tokens of its replies
    messages   stored messages taken apart into Letta's; incoming: what clients send to agents
    conversations  of agents, both ways
    approvals  answers to tool calls that wait, tools of the client's own; tool_rules: rules of an agent's tools
    agent_files  agents as files, both ways
    compaction how conversations are compacted, and what a summary stands for
    stream     a run's events while it is under way; partial: the text of a call that is still arriving
    searching  searches of messages; context: what a model is shown, in numbers
    jobs       runs, files and batches as jobs; completions: agents as models of OpenAI's
    keys       keys, tenants, quotas; providers: a tenant's own; sandboxes: what its tools are handed
    runs       runs, steps, usage, stop reasons; traces: what they took, and what was sent
    memory     an agent's memory: its settings in the metadata, and what it did
    analyst    connections, semantic models, questions and what came of them
    identities whom agents and blocks are for; groups: agents that answer together
    people     people, teams, conventions and access rules
    folders    folders, files and chunks
    mcp        MCP servers, by id and by name
    workspace  an agent's files; audit: what ran in a sandbox
    schedules  messages that are sent later; times: moments as text
"""
