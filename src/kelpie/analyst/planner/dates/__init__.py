"""Time in a question -> days.

spans.py     weeks, months, quarters and years, of the calendar and of a company's own year
parts.py     one period: "July 2013", "Q1 FY2026", "the last 3 months"
periods.py   all periods of a question, ranges among them: "from March to May", "since 2024"
"""
