"""What the command line and the demo share: a client of our own API, and what people see in the terminal.

client   HTTP, with errors that say what to do
show     tables and steps
progress how far long work is
ask      a question to the analyst, its steps and its answer
"""
