"""Start a sandbox, say so, and come to one of several ends: the tests of what is left behind.

`python -m tests.sandbox.victim END` with END = `leave`, `fail`, `wait`.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from sandbox.box import Sandbox
from tests.sandbox.meshes import bookshop


class FailureError(Exception):
    pass


def main(end: str) -> None:
    with Sandbox.start(bookshop("")) as box:
        told = {"run_dir": str(box.plan.run_dir), "claim": box.plan.loopback.claim}
        os.write(1, (json.dumps(told) + "\n").encode())
        if end == "fail":
            raise FailureError
        if end == "wait":
            threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
