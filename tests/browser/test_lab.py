"""A learner's way through a lab, in a real browser: from the first page to full marks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect

from labs.catalogue import lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("browser"),
]

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
LAB = lab("canary-release")
SOLUTION = {name: (LAB.solution_folder / name).read_text(encoding="utf-8") for name in LAB.files}
RUN_MS = 60_000


class Learner:
    """Does what a person does with the page."""

    def __init__(self, page: Page, address: str, look: str, *, narrow: bool) -> None:
        self.page = page
        self._address = address
        self._look = look
        self._narrow = narrow

    def visit(self, path: str) -> None:
        self.page.goto(self._address + path)

    def turn_to(self, pane: Literal["Task", "Files", "Mesh"]) -> None:
        """On a narrow screen, one part of the lab is seen at a time."""
        if self._narrow:
            parts = self.page.get_by_role("navigation", name="Parts of the lab")
            parts.get_by_role("button", name=pane).click()

    def write(self, file: str, text: str) -> None:
        self.turn_to("Files")
        self.page.get_by_role("tab", name=file).click()
        self.page.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def editor(self) -> str:
        return self.page.locator(".cm-content").inner_text()

    def check(self) -> None:
        self.page.get_by_role("button", name="Check my work").click()
        expect(self.page.locator(".result")).to_be_visible(timeout=RUN_MS)

    def verdict(self, check: str) -> str | None:
        return self.page.locator(f"[data-check={check}]").get_attribute("data-outcome")

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(
            path=SHOTS / f"{name}-{self._look}.png", animations="disabled", caret="hide"
        )


@contextmanager
def learning(
    browser: Browser, address: str, size: str = "wide", theme: Literal["light", "dark"] = "light"
) -> Iterator[Learner]:
    """Yield a learner; afterwards, nothing must have gone wrong behind the page."""
    troubles: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            troubles.append(message.text)

    def on_response(response: Response) -> None:
        if response.status >= 400:
            troubles.append(f"{response.status} {response.url}")

    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.on("console", on_console)
    page.on("response", on_response)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    try:
        yield Learner(page, address, f"{size}-{theme}", narrow=size == "narrow")
    finally:
        context.close()
    assert troubles == []


def _overflows(page: Page) -> bool:
    script = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(page.evaluate(script))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_from_the_first_page_to_full_marks(
    browser: Browser, address: str, size: str, theme: Literal["light", "dark"]
) -> None:
    with learning(browser, address, size, theme) as learner:
        page = learner.page
        learner.visit("/")
        expect(page.get_by_role("heading", name="Canary release")).to_be_visible()
        learner.shoot("labs")
        page.get_by_role("link", name="Canary release").click()
        expect(page.get_by_role("heading", name="You will learn to")).to_be_visible()
        learner.turn_to("Mesh")
        expect(page.locator(".tiles")).to_be_visible(timeout=RUN_MS)
        learner.turn_to("Task")
        learner.shoot("task")

        learner.check()
        assert learner.verdict("tester") == "failed"
        learner.shoot("failed")

        for name, text in SOLUTION.items():
            learner.write(name, text)
        learner.shoot("solution")
        learner.check()
        expect(page.locator(".result")).to_contain_text("Full marks", timeout=RUN_MS)
        assert {learner.verdict(check.id) for check in LAB.checks} == {"passed"}
        learner.shoot("passed")

        learner.turn_to("Mesh")
        expect(page.get_by_role("region", name="Traffic as a table")).to_contain_text(
            "reviews-v3", timeout=RUN_MS
        )
        expect(page.locator(".traffic[data-stale=false]")).to_be_visible(timeout=RUN_MS)
        learner.shoot("traffic")
        page.get_by_role("tab", name="Over time").click()
        expect(page.locator("canvas").first).to_be_visible()
        learner.shoot("time")
        assert not _overflows(page)

        page.get_by_role("link", name="Instructor").click()
        expect(page.get_by_role("table")).to_contain_text("100 / 100")
        learner.shoot("instructor")
        assert not _overflows(page)


@pytest.mark.parametrize("size", list(SIZES))
def test_a_failed_check_says_why_and_leads_to_the_line(
    browser: Browser, address: str, size: str
) -> None:
    with learning(browser, address, size) as learner:
        page = learner.page
        learner.visit("/labs/canary-release")
        learner.check()
        check = page.locator("[data-check=tester]")
        expect(check.locator(".reason")).to_contain_text("reviews-v1")
        for level in range(1, 4):
            check.get_by_role("button", name="hint").click()
            expect(check.locator(".hints > li")).to_have_count(level)
        expect(check.get_by_role("button", name="hint")).to_have_count(0)
        learner.shoot("hints")

        check.get_by_role("button", name="Why?").click()
        tree = page.locator(".tree")
        expect(tree).to_be_visible(timeout=RUN_MS)
        route = tree.locator("li[data-what=route][data-own=true]").first
        expect(route).to_contain_text("everybody")
        learner.shoot("why")
        route.get_by_role("button", name="reviews.yaml:9").first.click()
        expect(page.locator(".cm-jumped")).to_contain_text("everybody")
        learner.shoot("jumped")


def test_findings_stand_where_they_are(browser: Browser, address: str) -> None:
    broken = SOLUTION["reviews.yaml"].replace("subset: v3", "subset: v4").replace("hosts:", "host:")
    with learning(browser, address) as learner:
        page = learner.page
        learner.visit("/labs/canary-release")
        learner.write("reviews.yaml", broken)
        findings = page.get_by_role("region", name="Findings")
        expect(findings.first).to_be_visible(timeout=RUN_MS)
        expect(page.locator(".cm-lintRange-error").first).to_be_visible()
        expect(page.locator(".cm-lint-marker-error").first).to_be_visible()
        learner.shoot("findings")
        findings.first.get_by_role("button", name="reviews.yaml:").first.click()
        expect(page.locator(".cm-jumped")).to_be_visible()


def test_a_reload_loses_nothing(browser: Browser, address: str) -> None:
    with learning(browser, address) as learner:
        page = learner.page
        learner.visit("/labs/canary-release")
        learner.write("reviews.yaml", SOLUTION["reviews.yaml"])
        expect(page.get_by_text("All changes saved")).to_be_visible()
        learner.check()
        page.reload()
        expect(page.locator(".cm-content")).to_contain_text("exact: jason")
        assert learner.editor().count("subset:") == SOLUTION["reviews.yaml"].count("subset:")
        page.get_by_role("tab", name="Checks").click()
        expect(page.locator(".result")).to_contain_text("of 100 points")
        assert learner.verdict("split") == "passed"


def test_the_keyboard_alone_is_enough(browser: Browser, address: str) -> None:
    with learning(browser, address) as learner:
        page = learner.page
        learner.visit("/labs/canary-release")
        page.get_by_role("tab", name="Task").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Checks")).to_be_focused()
        page.locator(".cm-content").focus()
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        expect(page.locator(".cm-content")).not_to_be_focused()
        page.keyboard.press("Control+Enter")
        expect(page.locator(".result")).to_be_visible(timeout=RUN_MS)


def test_the_theme_can_be_chosen_and_is_kept(browser: Browser, address: str) -> None:
    with learning(browser, address) as learner:
        page = learner.page
        learner.visit("/")
        page.get_by_role("button", name="Use dark colours").click()
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_an_address_without_a_page_says_so(browser: Browser, address: str) -> None:
    with learning(browser, address) as learner:
        learner.visit("/nowhere")
        expect(learner.page.get_by_text("There is nothing at this address")).to_be_visible()
