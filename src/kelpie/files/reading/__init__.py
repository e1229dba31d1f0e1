"""From the bytes of a file to its text. What strangers send may be made to hurt whoever reads it.

reader      Reader: text at once, documents in a process of their own, with bounds
plain       texts, as they are
child       the main of that process: its bounds, and one answer
documents   PDF, docx, HTML, JSON of one line and text in older encodings, by libraries; imported by that process alone
"""
