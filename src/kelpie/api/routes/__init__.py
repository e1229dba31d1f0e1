"""One file per resource; each has a `router`. Paths have no slash at the end: the gate takes both forms.

health, metrics        whether the server lives, and what it counted
models                 what agents can think with
agents, agent_parts    agents; the tools and blocks attached to one
blocks, tools          what several agents may share
messages               talking to an agent, at once or streamed
archival               an agent's long-term memory
runs, steps            what agents did
analyst                connections to data, semantic models over them
questions, answers     asked in words and streamed; read again, exported, checked, confirmed
people, conventions, access_rules
                       whom questions are for, what they hold to, what they may see
trajectories           runs as files for other tools
"""
