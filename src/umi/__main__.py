"""`python -m umi`: the command line."""

import sys

from umi.cli import main

if __name__ == "__main__":
    sys.exit(main())
