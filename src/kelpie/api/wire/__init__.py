"""Letta's words: what clients send and get, and the functions that turn it into ours and back. Nothing below this
package knows them.

    agents, blocks, tools, archival, archives, models   resources, both ways
    messages   stored messages taken apart into Letta's; incoming: what clients send to agents
    agent_files  agents as files, both ways
    stream     a run's events while it is under way; partial: the text of a call that is still arriving
    searching  searches of messages; context: what a model is shown, in numbers
    runs       runs, steps, usage, stop reasons; traces: what they took, and what was sent
    memory     an agent's memory: its settings in the metadata, and what it did
    analyst    connections, semantic models, questions and what came of them
    people     people, teams, conventions and access rules
    folders    folders, files and chunks
    mcp        MCP servers, by id and by name
    workspace  an agent's files; audit: what ran in a sandbox
    schedules  messages that are sent later; times: moments as text
"""
