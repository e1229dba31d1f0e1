"""Agents: who they are, and the turn that answers a message.

agent     the agent's row, its tags and tools
create    a new agent with its blocks, tools and first message, in one commit
modify    changes to an agent, its blocks and its tools; prompts: the system prompts of agents made without one
profile   agents with all that belongs to them, in a few reads
inbox     accept: the acknowledgement; and what sees every run to its end
actor     the agent as an actor; history: its messages in memory; trying: a tool run without an agent
turn      the loop: model call, tool calls, commit; scene: what a step starts from
work      one step under way, and the records it becomes; replies: a model's reply made fit to be stored
calls     tool calls brought to an outcome; auditing: which of them a sandbox ran, for the record
context   what the model is shown, within the token budget; directories: its folders and open files in it
folders   folders given and taken, files opened and closed by others than the agent
recalling what memory adds to that; remembering: what memory keeps of a turn, from the outbox
scheduling messages that are sent to an agent later
preview   what the model would be asked next
stream    what a run tells those who watch; pieces: how replies were cut; replaying: a run that has ended, told again
limits    bounds
"""
