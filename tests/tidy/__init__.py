"""What the repository's rules are, as data and as code that reads it.

    floors.toml   which room stands on which floor, from the ground up
    bans.toml     names nobody may use, and what to use instead; words nobody may write
    allowed.toml  the exceptions, each with its reason: a list that only shrinks
    tree.py       the source tree: modules, their imports, every text file
    graph.py      imports by floors; `python tests/tidy/graph.py` prints them and fails on an upward arrow
    calls.py      rules about names: bans, limits, exports
    shape.py      rules about form: lengths, docstrings, package maps, citations, words
    rules.py      all rules, in the order in which they are reported
    planting.py   small trees with a violation each, written as text in planted/

`tests/test_tidy.py` runs them on this repository and, planted with violations, on small trees of its own.
"""
