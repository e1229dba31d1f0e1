"""One file per resource; each has a `router`. Paths have no slash at the end: the gate takes both forms.

health, metrics        whether the server lives, and what it counted
models                 what agents can think with
agents, agent_parts    agents; the tools and blocks attached to one
agent_files            agents as files, going and coming
folders, agent_folders folders and their files; those of one agent, and which it holds open
blocks, tools          what several agents may share
messages               talking to an agent, at once or streamed
archival               an agent's long-term memory
archives               facts that several agents share; passages, found in all memories; tags
history                messages of all agents: listed, searched, read one by one
contexts               what an agent's model is shown, and a history begun anew
runs, steps            what agents did
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
