"""The semantic model: what the data mean, in one YAML text per model.

model.py      the parts of a model
reading.py    YAML text -> model; refuses with the line
coherence.py  names, references and fields that go together, before any data
formulas.py   metrics made of other metrics
probe.py      a model's own questions to its source
coverage.py   the days that the data cover
checks.py     a model against its data: everything in it is run
infer/        a first draft of a model from what a source says of itself
records.py    models as rows
"""
