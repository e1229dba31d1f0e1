"""Agents that come from elsewhere and that leave: in our own words. How a file or a table words them is not known here.

parcel     what travels: agents with their blocks, tools, messages and facts
folders    folders that travel with agents, their files, and which are open
history    messages from elsewhere, made fit to be repeated to a provider
packing    an agent of the store, with all that belongs to it
unpacking  a parcel as one commit
letta      another server's database, read and brought over (a room of its own, above the API's words)
limits     bounds
"""
