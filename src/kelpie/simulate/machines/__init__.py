"""What stands in a world: its silos and their store, the provider, the sandbox and the data source, each able to fail.

world.py         World: boots, kills and heals the nodes
silo.py          one life of a server process
store.py         the real Database served over the network, and the silos' side of it
watch.py         a Database that sees every commit: what is durable, whose epoch it is; where a process can die
fault_points.py  a Database that fails by what a call touches
provider.py      the model provider: scripted replies over the real wires, with a provider's faults
toolbox.py       the sandbox: what tools do outside, counted, with a tool's faults
connection.py    the data source: a real SQLite, and everything on the way to it that may fail
reading.py       the reader of files, without processes of its own
warehouse.py     what it holds, its semantic model, the questions about it and their true answers
"""
