from __future__ import annotations

import pytest

from simulator.envoy import cel
from simulator.envoy.request import Request

REQUEST = Request(
    method="GET", authority="a.example", path="/v2/x?q=1", headers=(("x-version", "v3"),)
)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("request.headers['x-version']", "v3"),
        ('request.headers["X-Version"]', "v3"),
        ("request.headers['absent']", None),
        ("request.url_path", "/v2/x"),
        ("request.query", "q=1"),
        ("'a' + request.method", "aGET"),
        ("'a' + request.headers['absent']", None),
        (r"re.extract(request.path, '^/v([0-9]+)', 'n\\1')", "n2"),
        ("re.extract(request.path, 'absent', 'x')", None),
    ],
)
def test_value(text: str, want: str | None) -> None:
    assert cel.parse(text)(REQUEST) == want


@pytest.mark.parametrize(
    "text", ["", "1 + 2", "request.size", "re.extract('a', '(', 'x')", "request.path request.host"]
)
def test_the_rest_of_cel_is_not_known(text: str) -> None:
    with pytest.raises(cel.UnmodelledError):
        cel.parse(text)
