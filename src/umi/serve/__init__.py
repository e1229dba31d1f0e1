"""A memory for several processes: one holds the file, the others ask it over HTTP.

operations  what can be asked, as data: HTTP's routes, MCP's tools and the command's commands follow from it
parameters  what each takes
app         the operations as HTTP
gate        who may ask, and how much
keys        bearer keys
openapi     the operations described
running     the process
listening   its socket and signals, which every server of ours has
client      the same methods from another process
faces       those methods, made from umi.Memory
remote      how they ask
failures    errors on the wire, and back
"""
