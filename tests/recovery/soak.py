"""A long soak: real daemons killed in mid-traffic, with the mesh's own faults among it.

    .venv/bin/python -m tests.recovery.soak [--kills 1000] [--seed N]

Prints the seed, progress, and the result; raises AssertionError, with what is missing or was
answered twice, when a promise is broken.
"""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.recovery.kills import soak


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args()
    sys.stdout.write(f"seed {options.seed}\n")
    sys.stdout.flush()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = soak(Path(folder), options.kills, options.seed)
    minutes = (time.monotonic() - began) / 60
    sys.stdout.write(
        f"{run.kills} kills survived in {minutes:.1f} minutes:"
        f" {len(run.sent)} messages, each answered exactly once\n"
    )


if __name__ == "__main__":
    main()
