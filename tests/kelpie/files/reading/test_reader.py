"""Files as people have them become text; files that are made to hurt become an error, and nothing waits for them."""

import codecs

import pytest
from tests.kelpie.files import samples

from kelpie.errors import UnreadableFile
from kelpie.files import limits
from kelpie.files.reading.reader import Reader

PAGE = (
    b"<title>T</title><style>x{}</style><h1>H</h1><p>a_b<script>evil()</script></p><ul><li>x</li></ul>"
    b"<table><tr><th>p</th><th>q</th></tr><tr><td>1</td><td>2</td></tr></table>"
)
GERMAN = "Größere Bücher müssen für schöne Äpfel über Straßen getragen werden, sagte der Übermütige."


@pytest.fixture
async def reader(host):
    yield Reader(host)
    await host.close()


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("text", b"a\r\nb\rc\n", "a\nb\nc\n"),
        ("text", "h\u00e9".encode("utf-16"), "h\u00e9"),
        ("text", codecs.BOM_UTF8 + b"a\x00b", "ab"),
        ("json", b'{\n"a": 1e400}', '{\n"a": 1e400}'),
        ("json", b'{"a":[1,2.50]}', '{\n  "a": [\n    1,\n    2.50\n  ]\n}'),
        ("json", b"{no json", "{no json"),
        ("pdf", samples.pdf("One (1)".replace("(", r"\(").replace(")", r"\)"), "Two"), "One (1)\n\nTwo"),
        ("docx", samples.docx("a &lt;b&gt;", "c_d*"), "a <b>\n\nc_d*"),
        (
            "html",
            PAGE,
            "T\n\n# H\n\na_b\n\n* x\n\n| p | q |\n| --- | --- |\n| 1 | 2 |",
        ),
        (
            "text",
            "Größere Bücher müssen für schöne Äpfel über Straßen getragen werden, sagte der Übermütige.".encode(
                "cp1252"
            ),
            "Größere Bücher müssen für schöne Äpfel über Straßen getragen werden, sagte der Übermütige.",
        ),
    ],
)
async def test_a_file_becomes_its_text(reader, kind, content, text):
    assert await reader.read(kind, content) == text


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("pdf", b"hello", "it is not a PDF"),
        ("pdf", b"%PDF-1.4 and then nothing of the kind", "it is damaged, or no pdf file"),
        ("pdf", samples.pdf(""), "it holds no text; of a scanned page only a picture is there"),
        ("pdf", samples.pdf_bomb(100_000_000), "it is damaged, or no pdf file"),
        ("docx", b"PK\x03\x04 and no more", "it is not a docx: it is no zip archive"),
        ("docx", samples.archive({"a": "b"}), "it is not a docx: the archive has no word/document.xml"),
        ("docx", samples.docx("x", extra={"a.bin": b"\x00" * 101_000_000}), "bytes when it is unpacked; at most"),
        ("docx", samples.docx("x", extra={f"{n}": b"" for n in range(5_001)}), "5,004 parts; at most 5,000"),
        ("docx", samples.archive({"word/document.xml": samples.billion_laughs()}), "amplification"),
        ("html", b"<div>" * 20_000 + b"x", "it is nested too deep"),
        ("text", b"x" * (limits.FILE_TEXT_CHARS_MAX + 1), "5,000,001 characters of text; at most 5,000,000"),
        ("json", b"[" * 900 + b",".join([b"1"] * 2_000_000) + b"]" * 900, "bytes of memory|characters of text"),
    ],
)
async def test_a_hostile_or_broken_file_is_an_error_that_says_why(reader, kind, content, why):
    with pytest.raises(UnreadableFile, match=why):
        await reader.read(kind, content)


async def test_a_reader_that_takes_too_long_is_ended(host):
    with pytest.raises(UnreadableFile, match=r"reading it took longer than 0 s"):
        await Reader(host, wall_ms=1).read("pdf", samples.pdf("a"))
    await host.close()


async def test_a_pdf_of_too_many_pages_is_not_read(reader, monkeypatch):
    """In this process, where the bound can be made small."""
    from kelpie.files.reading import child

    monkeypatch.setattr(limits, "FILE_PAGES_MAX", 2)
    assert child.answer("pdf", samples.pdf("a", "b", "c")) == b"Ethe document is 3 pages; at most 2 are allowed"
    monkeypatch.setattr(limits, "FILE_PAGES_MAX", 3)
    monkeypatch.setattr(limits, "FILE_TEXT_CHARS_MAX", 5)
    assert child.answer("pdf", samples.pdf("abc", "def", "g")).startswith(b"Eit holds 8 characters of text or more")


async def test_what_a_library_needs_is_named(monkeypatch):
    import sys

    from kelpie.files.reading import child

    monkeypatch.setitem(sys.modules, "pypdf", None)
    assert b"pip install 'kelpie[files]'" in child.answer("pdf", b"%PDF-1.4")
