#!/usr/bin/env python3
# ruff: noqa: I002, UP032, UP036 - an old Python has to get as far as the line that says it is too old
"""Sets Aftersend up and runs it: `python3 scripts/dev.py demo|run|test|test-all|pictures|check`.

Needs Python 3.11 and nothing else; everything it installs goes into `.venv`.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

NEEDED = (3, 11)


def explain_old_python() -> str:
    found = ".".join(str(part) for part in sys.version_info[:3])
    newer = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]
    way_out = "Run it with {} instead.".format(newer[0]) if newer else "Install python3.11 or newer."
    return "Aftersend needs Python 3.11 or newer; {} is {}. {}".format(sys.executable, found, way_out)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/dev.py",
        description="Sets Aftersend up and runs it.",
        epilog="Example: BIND=127.0.0.1:8001 python3 scripts/dev.py demo",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("demo", help="a full dashboard over five simulated providers, thrown away at the end")
    commands.add_parser("run", help="the real thing: web and worker; the first start makes keys and one sign-in")
    commands.add_parser("test", help="checks and tests on SQLite, PostgreSQL and a real browser")
    commands.add_parser("test-all", help="the same and the long tests")
    commands.add_parser("pictures", help="a picture of every page, light and dark, wide and narrow, in var/pictures")
    commands.add_parser("check", help="style, types, import rules and Django's own checks")
    return parser.parse_args()


def main() -> int:
    if sys.version_info < NEEDED:
        print(explain_old_python(), file=sys.stderr)
        return 1
    if os.name != "posix":
        print("Aftersend's set-up needs Linux or macOS. On Windows use WSL.", file=sys.stderr)
        return 1
    arguments = parse()
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from scripts import commands  # only now: an old Python cannot read these modules

    return commands.run(arguments.command)


if __name__ == "__main__":
    sys.exit(main())
