"""Build the image ahead of the first mesh: `python -m sandbox.drivers.image`."""

from __future__ import annotations

import sys
from contextlib import closing

import docker

from sandbox.drivers.image import ensure
from sandbox.errors import EngineMissing

_TIMEOUT_S = 600


def main() -> int:
    """Build what is missing; return the exit code."""
    try:
        with closing(docker.from_env(timeout=_TIMEOUT_S)) as client:
            name = ensure(client, lambda phrase: print(f"… {phrase}", flush=True))  # noqa: T201
    except EngineMissing as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 3
    print(name)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
