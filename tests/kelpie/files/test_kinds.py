"""What a file is follows from its name; what can't be read is refused before it is stored."""

import importlib.util

import pytest

from kelpie.errors import MissingExtra, UnknownFileKind
from kelpie.files.kinds import kind_of, media_type_of


@pytest.mark.parametrize(
    ("name", "media_type", "content", "kind"),
    [
        ("a.PDF", "text/plain", b"anything", "pdf"),
        ("a.docx", "", b"", "docx"),
        ("a.htm", "", b"", "html"),
        ("a.json", "", b"{}", "json"),
        ("a.md", "", b"#", "text"),
        ("Makefile", "", b"all:", "text"),
        ("a.py", "application/octet-stream", b"x = 1", "text"),
        ("upload", "application/pdf", b"", "pdf"),
        ("upload", "", b"%PDF-1.7", "pdf"),
        ("a.txt", "", "ä".encode("utf-16"), "text"),
    ],
)
def test_what_a_file_is(name, media_type, content, kind):
    assert kind_of(name, media_type, content) == kind


@pytest.mark.parametrize("name", ["a.png", "a.xlsx", "a.exe", "a.txt", "a.json"])
def test_what_is_no_text_is_refused(name):
    with pytest.raises(UnknownFileKind, match="can't be read: it is no text"):
        kind_of(name, "", b"\x89PNG\r\n\x00\x00")


def test_a_document_whose_library_is_missing_is_refused_with_the_extra_it_needs(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'kelpie\[files\]'"):
        kind_of("a.pdf", "", b"")
    assert kind_of("a.csv", "", b"a,b") == "text"


def test_the_media_type_is_what_the_client_says_if_it_says_any():
    assert media_type_of("a.md", "Text/X-Notes; charset=utf-8", "text") == "text/x-notes"
    assert media_type_of("a.md", "application/octet-stream", "text") == "text/markdown"
    assert media_type_of("a.csv", "<script>", "text") == "text/csv"
    assert media_type_of("a.pdf", "", "pdf") == "application/pdf"
