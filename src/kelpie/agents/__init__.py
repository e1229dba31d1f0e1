"""Agents: who they are, and the turn that answers a message.

agent       the agent's row, its tags and tools
kinds       what sets agents of one type apart, as data
create      a new agent with its blocks, tools and first message, in one commit
modify      changes to an agent, its blocks and its tools
profile     agents with all that belongs to them, in a few reads
inbox       accept: the acknowledgement; and what sees every run to its end
actor       the agent as an actor
turn        the turn itself; rules: which calls it may make; context: what the model is shown; memory: what it
            recalls and remembers
conversing  conversations beside the main one
together    agents that speak to one another, and groups
folders     folders given and taken, files opened and closed by others than the agent
batching    many requests at once, each a run of its own; batches: their rows
scheduling  messages that are sent to an agent later
sweeping    the bytes that nobody holds any more, once runs were removed
trying      a tool run without an agent
limits      bounds
"""
