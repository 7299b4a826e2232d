from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.labs.server.conftest import LAB, SOLUTION, START, Client

Over = Callable[..., dict[str, Any]]
JASON = {
    "from": "productpage-v1.default",
    "url": "http://reviews:9080/reviews/0",
    "headers": {"end-user": "jason"},
}


def test_a_run_is_a_map_with_courses(over: Over) -> None:
    run = over("simulate", files=SOLUTION)["simulation"]

    nodes = {node["id"]: node for node in run["nodes"]}
    edges = {(edge["source"], edge["target"]): edge for edge in run["edges"]}
    first = edges["productpage-v1.default", "reviews-v1.default"]
    third = edges["productpage-v1.default", "reviews-v3.default"]
    assert nodes["readers"]["layer"] < nodes["reviews-v1.default"]["layer"]
    assert nodes["reviews-v3.default"]["version"] == "v3"
    assert first["rate"] > 4 * third["rate"] > 0
    (course,) = [one for one in run["series"] if one["name"].startswith("reviews.")]
    assert set(course["shares"]) == {"v1", "v2", "v3"}
    assert len(course["p99_ns"]) == 60


def test_what_cannot_be_run_says_where(over: Over) -> None:
    job = over("simulate", files={**START, "reviews.yaml": "kind: ["})

    assert job["state"] == "done"
    assert job["simulation"] is None
    assert job["refused"]["diagnostics"][0]["position"]["file"] == "reviews.yaml"


def test_marks_are_kept(client: Client, over: Over) -> None:
    begun = over("check", files=START)["report"]
    done = over("check", files=SOLUTION)["report"]

    assert begun["outcome"] == "failed"
    assert done["score"] == done["score_max"] == 100
    page = client.get("/api/instructor").json()
    assert [attempt["score"] for attempt in page["attempts"]] == [100, begun["score"]]
    assert page["attempts"][1]["verdicts"]["tester"] == "failed"
    assert page["standings"][0]["best"] == 100
    assert client.get(f"/api/labs/{LAB.id}").json()["report"]["score"] == 100
    assert client.get("/api/labs").json()[0]["passed"] is True


def test_a_missing_file_is_the_learners_not_ours(over: Over) -> None:
    report = over("check", files={})["report"]

    assert report["score"] < report["score_max"]
    assert "undecided" not in {verdict["outcome"] for verdict in report["verdicts"]}


def test_a_request_tells_its_reasons_with_lines(over: Over) -> None:
    seen = over("why", files=SOLUTION, request=JASON)["observation"]

    def sources(node: dict[str, Any]) -> list[str]:
        own = [node["source"]] if node["source"] else []
        return own + [each for child in node["children"] for each in sources(child)]

    line = SOLUTION["reviews.yaml"].splitlines().index("        - headers:") + 1
    assert seen["upstream"]["workload"] == "reviews-v2.default"
    assert any(each.startswith(f"reviews.yaml:{line}:") for each in sources(seen["explain"]))


def test_a_request_from_nowhere_is_refused(over: Over) -> None:
    refused = over("why", files=SOLUTION, request={**JASON, "from": "revews.default"})["refused"]

    assert "revews" in refused["message"]


def test_an_unknown_situation_is_refused(client: Client) -> None:
    answer = client.post(
        f"/api/labs/{LAB.id}/why", json={"files": START, "request": JASON, "situation": "flood"}
    )

    assert answer.status_code == 404
