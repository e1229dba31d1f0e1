"""HTML as Markdown. A program of its own: parsing some pages takes for ever, and whoever wrote the page chooses.

In:   HTML on stdin
Out:  JSON on stdout: title, text

Run by its path, so that it loads nothing but the parser.
"""

import json
import sys

_UNREAD = ["script", "style", "noscript", "template", "svg", "iframe", "head"]


def readable(html: bytes) -> dict[str, str]:
    """title, and the text as Markdown; without its structure where that is nested too deeply."""
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(html, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title is not None else ""
    for unread in soup(_UNREAD):
        unread.decompose()
    try:
        text = MarkdownConverter(heading_style="ATX", strip=["img"]).convert_soup(soup)
    except RecursionError:
        text = soup.get_text("\n", strip=True)
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    return {"title": title, "text": "\n".join(kept).strip()}


def main() -> None:
    sys.stdout.write(json.dumps(readable(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
