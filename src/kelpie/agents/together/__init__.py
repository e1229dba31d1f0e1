"""Agents that work together: they speak to one another, answer as a group, and think about what others talked about.

switchboard   one agent's run speaks to other agents: no circles, not too deep, not for ever
talking       a message to a group, from its acknowledgement to its end; turns: whose turn it is, and what it is told
overhearing   background agents that are told every so many turns what another agent talked about
furnishing    groups made, changed and deleted, with the tools and blocks their agents need
"""
