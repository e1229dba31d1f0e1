"""What several commands take: where the server is, for whom, a file."""

from pathlib import Path
from typing import Annotated

import typer

from kelpie.errors import InvalidInput

Url = Annotated[str, typer.Option("--url", envvar="KELPIE_URL", help="Where the server is.")]
Key = Annotated[str | None, typer.Option("--key", envvar="KELPIE_KEY", help="Bearer key, if the server asks for one.")]
As = Annotated[
    str | None, typer.Option("--as", help="For whom: a person's handle or name, or a team's name for one of the team.")
]


def read_text(path: Path) -> str:
    """A file that a command was given. Raises InvalidInput."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8: byte {error.start} is no part of a character") from None
