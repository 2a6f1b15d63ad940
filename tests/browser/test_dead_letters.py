"""The Dead letters page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.site import Site, load_step


def run_of_cause(page: Page, run_id: int):
    """The line of a run below its cause."""
    page.get_by_role("button", name=re.compile(r"^All \d+ runs$")).or_(page.locator(".cause")).first.click()
    return (
        page.get_by_role("list", name="Runs with this cause")
        .get_by_role("listitem")
        .filter(has=page.get_by_role("link", name=re.compile(rf" #{run_id}$")))
    )


def test_a_cause_is_ignored_and_heeded_again(page: Page, site: Site):
    site.define("ignored", load_step("work", worker_count=10, failure_rate=1.0))
    run_id = site.ran("ignored")
    page.goto("/dead-letters")
    line = run_of_cause(page, run_id)
    expect(line).to_contain_text("×10")

    line.get_by_role("button", name="ignore").click()
    expect(line).to_have_count(0)
    page.get_by_label("show ignored").check()
    line.get_by_role("button", name="heed").click()
    expect(line.get_by_role("button", name="ignore")).to_be_visible()
    page.get_by_label("show ignored").uncheck()

    expect(line).to_contain_text("×10")
    assert not [one for one in site.get("/dead-letters")["items"] if one["ignored"]]


def test_a_cause_is_driven_again_in_a_new_run(page: Page, site: Site):
    site.define("redriven", load_step("work", worker_count=6, failure_rate=1.0, error="permanent"))
    run_id = site.ran("redriven")
    page.goto("/dead-letters?find=PermanentError")

    page.locator(".cause").get_by_role("button", name=re.compile("^Retry 6")).click()
    page.get_by_role("dialog").get_by_role("button", name="Retry 6 jobs").click()
    page.get_by_role("link", name=re.compile(r"Open #\d+")).click()

    expect(page).to_have_url(re.compile(r"/runs/\d+"))
    made = int(page.url.rsplit("/", 1)[1].split("?")[0])
    assert site.finished(made)["rerun_of"] == run_id
