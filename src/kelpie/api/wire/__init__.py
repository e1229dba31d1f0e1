"""Letta's words: what clients send and get, and the functions that turn it into ours and back. Nothing below this
package knows them.

    agents, blocks, tools, archival, models   resources, both ways
    messages   stored messages taken apart into Letta's; incoming: what clients send to agents
    stream     a run's events while it is under way; partial: the text of a call that is still arriving
    runs       runs, steps, usage, stop reasons
    memory     an agent's memory: its settings in the metadata, and what it did
    analyst    connections, semantic models, questions and what came of them
    people     people, teams, conventions and access rules
    times      moments as text
"""
