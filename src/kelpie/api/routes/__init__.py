"""One file per resource; each has a `router`. Paths have no slash at the end: the gate takes both forms.

health, metrics        whether the server lives, and what it counted
models                 what agents can think with
agents, agent_parts    agents; the tools and blocks attached to one
agent_files            agents as files, going and coming
folders, agent_folders folders and their files; those of one agent, and which it holds open
blocks, tools          what several agents may share
messages               talking to an agent, at once or streamed
conversations          those an agent has beside its main one
archival               an agent's long-term memory
archives               facts that several agents share; passages, found in all memories; tags
identities, groups     whom agents and blocks are for; agents that answer together
history                messages of all agents: listed, searched, read one by one
contexts               what an agent's model is shown, and a history begun anew
compaction             a conversation compacted by hand, and what its summaries stand for
runs, steps            what agents did; jobs: the older word for it; batches: many requests at once
completions            agents as models of OpenAI's, and an agent's model asked by itself
providers              a tenant's own model providers
keys, tenants          who may ask, and how much of the server each may use
sandboxes              variables that all custom tools of a tenant are handed
schedules              messages that are sent to an agent later
workspace              an agent's files
mcp_servers, mcp_by_name
                       tools of other programs; the same by name, as older clients ask
audit                  what ran in a sandbox, for whom, and where really
analyst                connections to data, semantic models over them
questions, answers     asked in words and streamed; read again, exported, checked, confirmed
people, conventions, access_rules
                       whom questions are for, what they hold to, what they may see
trajectories           runs as files for other tools
"""
