"""The command line: `postlens VERB ...`, one file per verb.

Exit codes: 0 done (something succeeded), 1 nothing succeeded or a question was answered with no, 2 wrong usage, 130
stopped by Ctrl-C.
"""

from __future__ import annotations

import sys

EXIT_DONE, EXIT_NOTHING, EXIT_USAGE, EXIT_STOPPED = 0, 1, 2, 130


def main() -> None:
    """Run the command line and exit with its code."""
    from postlens.cli.app import run

    sys.exit(run(sys.argv[1:]))
