"""The Markdown that answers are written in, as HTML: paragraphs, lists, tables, code, strong words. Nothing else of
Markdown is read, and every text is escaped: what data or a model wrote can't become markup."""

import re
from collections.abc import Sequence
from html import escape

# Private characters that frame the number `n` until everything is escaped; a text's own are replaced before.
_OPEN, _BETWEEN, _CLOSE = "\ue000", "\ue001", "\ue002"
_PRIVATE = re.compile("[\ue000-\ue002]")
_FRAMED = re.compile(f"{_OPEN}(\\d+){_BETWEEN}(.*?){_CLOSE}", re.DOTALL)
_STRONG = re.compile(r"\*\*(.+?)\*\*")
_CODE = re.compile(r"`([^`\n]+)`")
_ITEM = re.compile(r"^\s*(?:[-*]|\d{1,3}[.)])\s+(.*)$")
_RULE = re.compile(r"^\|?[\s:|-]+\|?$")
_HEAD = re.compile(r"^#{1,6}\s+(.*)$")


def as_html(text: str, links: Sequence[tuple[int, int, int]] = (), anchor: str = "n") -> str:
    """`text` as HTML. Each of `links` is (start, end, number), in order and not overlapping: that part of the text
    becomes a link to `#<anchor><number>`."""
    text = _PRIVATE.sub("\ufffd", text)
    for start, end, number in reversed(links):
        text = f"{text[:start]}{_OPEN}{number}{_BETWEEN}{text[start:end]}{_CLOSE}{text[end:]}"
    shown = "".join(_block(lines) for lines in _blocks(text))
    return _FRAMED.sub(lambda found: f'<a class="n" href="#{anchor}{found.group(1)}">{found.group(2)}</a>', shown)


def _blocks(text: str) -> list[list[str]]:
    """Lines that belong together: fenced code whole, everything else by empty lines and by what lines begin with."""
    blocks: list[list[str]] = []
    last, fenced = "", False
    for line in text.splitlines():
        kind = _kind(line)
        if fenced:
            blocks[-1].append(line)
            fenced = kind != "fence"
            last = "" if not fenced else last
            continue
        if kind == "fence":
            fenced = True
        if kind and kind == last and kind != "head":
            blocks[-1].append(line)
        elif kind:
            blocks.append([line])
        last = kind
    return blocks


def _kind(line: str) -> str:
    plain = line.strip()
    if plain.startswith("```"):
        return "fence"
    if plain.startswith("|"):
        return "table"
    if _ITEM.match(line):
        return "list"
    if _HEAD.match(line):
        return "head"
    return "text" if plain else ""


def _block(lines: list[str]) -> str:
    match _kind(lines[0]):
        case "fence":
            body = lines[1:-1] if len(lines) > 1 and lines[-1].strip().startswith("```") else lines[1:]
            return f"<pre><code>{escape(chr(10).join(body))}</code></pre>"
        case "table":
            return _table(lines)
        case "list":
            items = "".join(f"<li>{_inline(found.group(1))}</li>" for line in lines if (found := _ITEM.match(line)))
            return f"<ul>{items}</ul>"
        case "head":
            found = _HEAD.match(lines[0])
            return f"<h3>{_inline(found.group(1) if found else lines[0])}</h3>"
        case _:
            return f"<p>{'<br>'.join(map(_inline, lines))}</p>"


def _table(lines: list[str]) -> str:
    rows = [_cells(line) for line in lines if not _RULE.match(line)]
    right = (
        [cell.strip().endswith(":") for cell in _cells(lines[1])] if len(lines) > 1 and _RULE.match(lines[1]) else []
    )
    parts = []
    for number, row in enumerate(rows):
        tag = "th" if number == 0 else "td"
        cells = "".join(
            f"<{tag}{' class=r' if place < len(right) and right[place] else ''}>{_inline(cell)}</{tag}>"
            for place, cell in enumerate(row)
        )
        parts.append(f"<tr>{cells}</tr>")
    return f'<div class="wide"><table>{"".join(parts)}</table></div>'


def _cells(line: str) -> list[str]:
    plain = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", plain)]


def _inline(text: str) -> str:
    shown = _STRONG.sub(r"<strong>\1</strong>", escape(text))
    return _CODE.sub(r"<code>\1</code>", shown)
