"""Demo data and its script.

warehouse.py  every flight out of New York City in 2013 as a DuckDB file, and flights.yaml, its semantic model
"""
