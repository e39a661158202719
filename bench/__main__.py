"""`python3 -m bench [question ...]`: without a name all questions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench import imports, intake, live, pages, poll
from bench.harness import Options, slow_disk, work_folder
from scripts import install, processes
from scripts.common import SetupError, say
from scripts.serve import WEB_THREADS

QUESTIONS: dict[str, Callable[[Options], None]] = {
    "intake": intake.measure,
    "poll": poll.measure,
    "pages": pages.measure,
    "live": live.measure,
    "import": imports.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m bench", description="Measures Aftersend beside its peers.")
    parser.add_argument("questions", nargs="*", choices=[[], *QUESTIONS], metavar="question", help=", ".join(QUESTIONS))
    parser.add_argument("--databases", default="sqlite,postgres", help="sqlite, postgres or both")
    parser.add_argument("--rounds", type=int, default=3, help="each thing is measured so often, in turn (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="for so long each time (5)")
    parser.add_argument("--connections", type=int, default=64, help="of the load generator (64)")
    parser.add_argument("--threads", type=int, default=int(WEB_THREADS), help="of our web server (as `run` has them)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of a large file or database (1,000,000)")
    parser.add_argument("--fsync-delay", type=float, default=0.0, metavar="MS", help="a disk so much slower")
    given = vars(parser.parse_args())
    questions = given.pop("questions") or QUESTIONS
    options = Options(**{**given, "databases": given["databases"].split(",")})
    processes.listen_for_signals()
    try:
        install.ensure(install.RUNTIME)
        with work_folder() as folder:
            if options.fsync_delay:
                slow_disk(options.fsync_delay, folder)
            for name in questions:
                say(f"== {name}")
                QUESTIONS[name](options)
    except SetupError as fault:
        print(fault, file=sys.stderr)
        return 1
    except processes.Stopped as stopped:
        return 128 + stopped.signal
    return 0


if __name__ == "__main__":
    sys.exit(main())
