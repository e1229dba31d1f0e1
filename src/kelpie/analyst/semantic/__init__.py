"""The semantic model: what the tables of a connection mean, in one YAML text.

model.py    the model as frozen structs, each with the line it was written on
reading.py  YAML text -> structs; every mistake is named with its line
checks.py   every expression is parsed and run against the connection before a model is accepted
records.py  rows of the table `semantic_model`
"""
