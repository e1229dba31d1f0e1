"""What a run is made of, how it is drawn from a seed, and how a failing one is made small.

plan.py          Plan: everything a run is made of, as data: options, operations, faults
scenarios.py     the promises, each with its draw; rooms that are not built yet
draws.py         what each scenario draws: a mix of operations and faults
drawing.py       Draft: a seed becomes operations and faults, dense or far apart
filing.py        what people do with files, drawn
shrink.py        the smallest plan that still fails
"""
