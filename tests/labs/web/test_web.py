"""The page's own tests pass, and its types hold: run by the Node that builds it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from labs.server.build_page import WEB, NodeMissingError, node_folder


@pytest.mark.parametrize("script", ["typecheck", "test"])
def test_a_script_of_the_page_succeeds(script: str) -> None:
    if not (WEB / "node_modules").is_dir():
        pytest.skip("the page is not built: make page")
    try:
        folder = node_folder()
    except NodeMissingError as error:
        pytest.skip(str(error))
    path = os.pathsep.join([*([str(folder)] if folder else []), os.environ["PATH"]])
    npm = shutil.which("npm", path=path)
    assert npm is not None

    done = subprocess.run(
        [npm, "run", script],
        cwd=WEB,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
