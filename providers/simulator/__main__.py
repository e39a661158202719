"""`python -m providers.simulator --port 8100`"""

from __future__ import annotations

import argparse
import sys

from providers.simulator.server import read_script, run


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m providers.simulator",
        description="Five SMS providers on loopback, each under /<provider key> and its documented path.",
        epilog="Example: python -m providers.simulator --port 8100 --speed 60",
    )
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--speed", type=float, default=1.0, help="provider seconds in one real second")
    parser.add_argument("--script", metavar="FILE", help="a JSON script: fates, keys, modes, faults")
    parser.add_argument("--seed-only", action="store_true", help="know only the seed documents' calls; 404 to the rest")
    options = parser.parse_args(arguments)
    try:
        script = read_script(options.script) if options.script else None
        run(options.port, script, speed=options.speed, seed_only=options.seed_only)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The simulator cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
