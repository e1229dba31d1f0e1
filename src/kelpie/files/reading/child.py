"""The main of a process that reads one document: `python -m kelpie.files.reading.child pdf`, bytes in, text out.

It begins with bounds on itself, which hold also when the server that started it is gone. What it writes is one letter,
T for the text or E for why there is none, and that text.
"""

import os
import sys

from kelpie.errors import CallerError, MissingExtra
from kelpie.files import limits
from kelpie.files.reading import documents


def main(kind: str) -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a library may print; the answer is nobody else's
    with os.fdopen(0, "rb") as given:
        content = given.read(limits.FILE_BYTES_MAX + 1)
    _bound()
    with answers:
        answers.write(answer(kind, content))


def answer(kind: str, content: bytes) -> bytes:
    try:
        text = documents.read(kind, content)
        if len(text) > limits.FILE_TEXT_CHARS_MAX:
            why = f"it holds {len(text):,} characters of text or more; at most {limits.FILE_TEXT_CHARS_MAX:,} are read"
        else:
            return b"T" + text.encode("utf-8", "replace")
    except CallerError as error:
        why = str(error)
    except ImportError as error:
        why = str(MissingExtra(f"reading this file ({error.name})", "files"))
    except MemoryError:
        why = f"reading it takes more than {limits.READING_MEMORY_BYTES_MAX:,} bytes of memory"
    except RecursionError:
        why = "it is nested too deep"
    except Exception as error:  # noqa: BLE001 - the boundary to libraries: whatever they say of a file is its error
        why = f"it is damaged, or no {kind} file: {type(error).__name__}: {error}"
    return b"E" + why.encode("utf-8", "replace")[: limits.FILE_ERROR_CHARS_MAX]


def _bound() -> None:
    import resource

    for name, most in (
        (resource.RLIMIT_AS, limits.READING_MEMORY_BYTES_MAX),
        (resource.RLIMIT_CPU, limits.READING_CPU_S_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(name, (most, most))
        except (ValueError, OSError):
            continue  # the machine sets a lower one, or (macOS) has none of this kind


if __name__ == "__main__":
    main(sys.argv[1])
