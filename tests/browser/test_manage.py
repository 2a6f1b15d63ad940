"""Workers and limits, settings with the key store, and the state of the system."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.site import Site, slow_step

SECRET = "only-the-jobs-may-know-4711"


def region(page: Page, name: str):
    return page.get_by_role("region", name=name, exact=True)


def test_processes_limits_and_types_are_shown(page: Page, site: Site, runs: dict[str, int]):
    site.define("limited", slow_step(jobs=2, lines=1, delay_ms=0, at_once=3))
    site.ran("limited")
    page.goto("/workers")
    expect(region(page, "Processes").get_by_role("row")).to_have_count(2)
    expect(region(page, "Processes")).to_contain_text("alive")

    page.get_by_role("link", name="Limits", exact=True).click()
    expect(region(page, "Limits")).to_contain_text("test_job_generator")
    page.get_by_role("link", name="Worker types", exact=True).click()
    page.get_by_label("Find a worker type").fill("local")
    page.get_by_role("link", name=re.compile("^local_dir")).click()

    expect(region(page, "Parameters")).to_contain_text("dir_path")
    expect(page).to_have_url(re.compile("type=local_dir"))


def test_a_secret_is_stored_and_never_shown_again(page: Page, site: Site):
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(answer.url) if SECRET in _text(answer) else None)
    page.goto("/settings/keys")

    page.get_by_role("button", name="Add a key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("api-token")
    dialog.get_by_label("Value").fill(SECRET)
    dialog.get_by_role("button", name="Store the key").click()

    expect(region(page, "Keys")).to_contain_text("api-token")
    expect(region(page, "Keys")).to_contain_text("secret")
    assert SECRET not in page.content()
    page.reload()
    expect(region(page, "Keys")).to_contain_text("api-token")
    page.get_by_role("button", name="Replace the value of api-token").click()
    expect(page.get_by_role("dialog").get_by_label("New value")).to_have_value("")
    page.get_by_role("dialog").get_by_role("button", name="Keep as it is").click()
    page.goto("/settings")
    expect(page.locator("#main")).to_contain_text("engine.slots")
    page.goto("/settings/audit")
    expect(page.locator("#main")).to_contain_text("api-token")
    assert SECRET not in page.content()
    assert not seen
    page.goto("/settings/keys")
    page.get_by_role("button", name="Delete api-token").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the key").click()
    expect(page.get_by_text("api-token was deleted.")).to_be_visible()
    assert not site.get("/keys")["items"]


def test_the_system_page_tells_sizes_and_health(page: Page, runs: dict[str, int]):
    page.goto("/system")

    expect(page.locator(".health")).to_contain_text("well")
    expect(page.locator(".health")).to_contain_text("as it must be")
    expect(page.locator("#main")).to_contain_text(re.compile(r"\d+(\.\d+)? (kB|MB)"))


def _text(answer) -> str:
    return answer.text() if answer.ok and "json" in answer.headers.get("content-type", "") else ""
