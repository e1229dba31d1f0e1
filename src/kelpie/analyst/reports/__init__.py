"""Answers outside of the product: as a page, as Markdown, as CSV.

csv        a result as CSV: the table, cell for cell
markdown   an answer or a session of them as Markdown
page       the same as one HTML file that needs nothing else
style      how the page looks, light and dark, wide and narrow
marks      an answer's Markdown as HTML, everything escaped; words, what both kinds of report say
"""

from kelpie.analyst.reports.csv import as_csv
from kelpie.analyst.reports.markdown import as_markdown
from kelpie.analyst.reports.page import as_page

__all__ = ["as_csv", "as_markdown", "as_page"]
