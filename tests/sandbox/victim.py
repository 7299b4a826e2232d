"""Start a sandbox, say so, and come to one of several ends: the tests of what is left behind.

`python -m tests.sandbox.victim END [DRIVER]` prints the run directory; END is one of `leave`,
`fail`, `wait`.
"""

from __future__ import annotations

import os
import sys
import threading

from sandbox.box import Sandbox
from sandbox.drivers.choice import named
from tests.sandbox.meshes import bookshop


class FailureError(Exception):
    pass


def main(end: str, driver: str = "process") -> None:
    with Sandbox.start(bookshop(""), driver=named(driver)) as box:
        os.write(1, f"{box.plan.run_dir}\n".encode())
        if end == "fail":
            raise FailureError
        if end == "wait":
            threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
