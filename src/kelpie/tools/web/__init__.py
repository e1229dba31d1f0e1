"""The web as tools: a page as text, and a search.

tools.py      web_tools: fetch_webpage and web_search with their schemas, and what says that they are not configured
fetching.py   Fetcher: one page, every hop of it through the same checks as a sandbox's network
readable.py   HTML as Markdown, in a process of its own
searching.py  Search: one provider's API, or what speaks it
limits.py     every bound
"""

from kelpie.tools.web.fetching import Fetcher, Page
from kelpie.tools.web.searching import Search
from kelpie.tools.web.tools import web_tools

__all__ = ["Fetcher", "Page", "Search", "web_tools"]
