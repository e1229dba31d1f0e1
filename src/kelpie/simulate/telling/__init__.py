"""A run as a story: in the terminal and as a page.

story.py         what happened, in the order it happened
timeline.py      a verdict's story laid out in time
report.py        the story for the terminal, and the page
page.py          that page's table of moments and lanes
page_style.py    how it looks
"""
