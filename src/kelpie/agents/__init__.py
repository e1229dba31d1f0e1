"""Agents: who they are, and the turn that answers a message.

agent     the agent's row, its tags and tools
create    a new agent with its blocks, tools and first message, in one commit
modify    changes to an agent, its blocks and its tools
kinds     what sets agents of one type apart, as data; prompts: their system prompts; beginning: their first messages
profile   agents with all that belongs to them, in a few reads
inbox     accept: the acknowledgement; and what sees every run to its end
conversing  conversations beside the main one: begun, forked, taken away
actor     the agent as an actor; history: its messages in memory; trying: a tool run without an agent
turn      the loop: model call, tool calls, commit; scene: what a step starts from
recording what a run has come to and how it ends; committing: the commits of a step; performing: its calls, in order
work      one step under way, and the records it becomes; replies: a model's reply made fit to be stored
asking    what a model is asked besides the context, and what is taken from its calls again
heartbeats  turns that go on when a call asks for it
structured  answers that have to match a schema; schemas: whether they do, within bounds
rules     tool rules, as pure functions; ruling: what they and questions mean for one step
approving tool calls that wait for an answer, as rows; pausing: a turn that stops to ask, and goes on with the answer
calls     tool calls brought to an outcome; auditing: which of them a sandbox ran, for the record
compacting what a compaction summarises and what stays, as pure functions; summarising: the making of a summary
context   what the model is shown, within the token budget; directories: its folders and open files in it
folders   folders given and taken, files opened and closed by others than the agent
recalling what memory adds to that; remembering: what memory keeps of a turn, from the outbox
batching  many requests at once, each a run of its own; batches: their rows
scheduling messages that are sent to an agent later
together  agents that speak to one another, answer as groups, and listen to one another
preview   what the model would be asked next
stream    what a run tells those who watch; pieces: how replies were cut; replaying: a run that has ended, told again
limits    bounds
"""
