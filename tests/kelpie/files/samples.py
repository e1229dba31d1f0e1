"""Files as people upload them, and files as nobody should."""

import io
import zipfile
import zlib

DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{body}</w:body>'
    "</w:document>"
)
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/'
    'vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"'
    ' Target="word/document.xml"/></Relationships>'
)


def pdf(*pages):
    """A PDF with one line of text on each page."""
    streams = [f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode() for text in pages]
    return pdf_of_streams([(stream, b"") for stream in streams])


def pdf_of_streams(streams):
    """A PDF whose pages draw what the streams say: (bytes, entries of the stream's dictionary)."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(streams)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, (stream, entries) in enumerate(streams):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
            b" /Contents %d 0 R >>" % (5 + 2 * number)
        )
        objects.append(b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(stream), entries, stream))
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for offset in offsets:
        out.write(b"%010d 00000 n \n" % offset)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def pdf_bomb(expanded_bytes):
    """A PDF of a few kilobytes whose page unpacks to that many."""
    return pdf_of_streams([(zlib.compress(b" " * expanded_bytes, 9), b"/Filter /FlateDecode")])


def docx(*paragraphs, heading=None, extra=None):
    """A Word document; `extra` are further parts of its archive, by name."""
    styled = '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>'
    body = styled.format(heading) if heading else ""
    body += "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return archive({"word/document.xml": DOCUMENT.format(body=body), **(extra or {})})


def archive(parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", _TYPES)
        packed.writestr("_rels/.rels", _RELATIONS)
        for name, content in parts.items():
            packed.writestr(name, content)
    return out.getvalue()


def billion_laughs():
    """XML of a hundred kilobytes whose one entity would be a terabyte."""
    entities = f'<!ENTITY a "{"a" * 100_000}">'
    for number in range(9):
        inner = f"&{chr(97 + number)};" * 10
        entities += f'<!ENTITY {chr(98 + number)} "{inner}">'
    body = DOCUMENT.format(body="<w:p><w:r><w:t>&j;</w:t></w:r></w:p>").partition("?>")[2]
    return f'<?xml version="1.0"?><!DOCTYPE w [{entities}]>{body}'
