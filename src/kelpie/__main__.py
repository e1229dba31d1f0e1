"""`python -m kelpie`: the command line."""

import sys

from kelpie.cli import main

if __name__ == "__main__":
    sys.exit(main())
