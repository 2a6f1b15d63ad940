"""The Dead letters page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.site import Site, load_step


def test_a_cause_is_ignored_and_heeded_again(page: Page, site: Site):
    site.define("ignored", load_step("work", worker_count=10, failure_rate=1.0, seed=3))
    run_id = site.ran("ignored")
    page.goto("/dead-letters?definition=ignored")
    cause = page.locator(".cause")
    expect(cause).to_contain_text("×10")

    cause.get_by_role("button", name="Ignore", exact=True).click()
    expect(page.locator(".cause")).to_have_count(0)
    page.get_by_label("show ignored").check()
    expect(cause).to_contain_text("ignored")
    assert [one["ignored"] for one in site.get("/dead-letters")["items"] if one["manager_id"] == run_id] == [True]
    cause.get_by_role("button", name="Heed", exact=True).click()

    page.get_by_label("show ignored").uncheck()
    expect(cause.get_by_role("button", name="Ignore", exact=True)).to_be_visible()


def test_a_cause_is_driven_again_in_new_runs(page: Page, site: Site):
    site.define("redriven", load_step("work", worker_count=6, failure_rate=1.0, seed=4))
    run_id = site.ran("redriven")
    page.goto("/dead-letters?definition=redriven")

    page.locator(".cause").get_by_role("button", name=re.compile("^Retry 6")).click()
    page.get_by_role("dialog").get_by_role("button", name="Retry 6 jobs").click()
    page.get_by_role("link", name=re.compile(r"Open #\d+")).click()

    expect(page).to_have_url(re.compile(r"/runs/\d+"))
    made = int(page.url.rsplit("/", 1)[1].split("?")[0])
    assert site.finished(made)["rerun_of"] == run_id
