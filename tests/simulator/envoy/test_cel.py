from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy import cel
from simulator.envoy.cel_parse import BadExpressionError, UnmodelledError
from simulator.envoy.format_commands import Facts
from simulator.envoy.request import Request

FACTS = Facts(
    request=Request(
        method="GET",
        authority="a.example",
        path="/v2/x?q=1",
        headers=(("x-version", "v3"), ("x-many", "a"), ("x-many", "b")),
    )
)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("request.headers['x-version']", "v3"),
        ('request.headers["X-Version"]', "v3"),
        ("request.headers['absent']", None),
        ("request.headers['x-many']", "a,b"),
        ("request.headers[':path']", "/v2/x?q=1"),
        ("request.url_path", "/v2/x"),
        ("request.query", "q=1"),
        ("'a' + request.method", None),
        ("'a' + request.headers['absent']", None),
        (r"re.extract(request.path, '^/v([0-9]+)', 'n\\1')", "n2"),
        ("re.extract(request.path, 'absent', 'x')", None),
        ("1 + 2 * 3", 7),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("1 / 0", None),
        ("1 == 1.0", True),
        ("1 == '1'", False),
        ("1 < '1'", None),
        ("true ? 'a' : 'b'", "a"),
        ("'b' in ['a', 'b']", True),
        ("'x-many' in request.headers", True),
        ("has(request.headers.absent)", False),
        ("has(request.path)", True),
        ("request.headers['absent'] == '' || true", True),
        ("request.headers['absent'] == '' && true", None),
        ("false && request.headers['absent'] == ''", False),
        ("!(request.method == 'POST')", True),
        ("request.path.startsWith('/v2') && request.host.endsWith('.example')", True),
        ("request.path.matches('v[0-9]')", True),
        ("size(request.method) == 3 && 'abc'.size() > 2", True),
        ("{'GET': 1}[request.method]", 1),
    ],
)
def test_value(text: str, want: Any) -> None:
    found = cel.value_of(cel.checked(text), FACTS)

    assert (found, type(found)) == (want, type(want))


@pytest.mark.parametrize(
    "text",
    ["request.size", "re.extract('a', '(', 'x')", "unknown", "timestamp('x')"],
)
def test_the_rest_of_cel_is_not_known(text: str) -> None:
    with pytest.raises(UnmodelledError):
        cel.checked(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "request.path request.host",
        "(1",
        "1 +",
        "a ? b",
        "has(1)",
        "'a",
        "[1].all(x, x > 0)",
        "now()",
        "string(1)",
    ],
)
def test_what_is_not_cel_is_refused(text: str) -> None:
    with pytest.raises(BadExpressionError):
        cel.checked(text)
