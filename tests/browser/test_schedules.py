"""The Schedules page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.site import Site


def test_a_schedule_shows_its_next_times_in_both_zones(page: Page, site: Site, runs: dict[str, int]):
    page.goto("/schedules")
    expect(page.locator("#main")).to_contain_text("30 18 * * 1-5")

    page.get_by_role("button", name="Times and history of Nightly").click()

    expect(page).to_have_url(re.compile("schedule=nightly"))
    times = page.get_by_role("table", name="Next times of Nightly").get_by_role("row")
    expect(times).to_have_count(6)
    expect(times.nth(1)).to_contain_text("05:00")
    expect(times.nth(1)).to_contain_text("04:00")
    page.reload()
    expect(times).to_have_count(6)


def test_a_schedule_is_paused_and_resumed(page: Page, site: Site, runs: dict[str, int]):
    page.goto("/schedules")

    page.get_by_role("button", name="Pause Nightly").click()
    expect(page.get_by_role("button", name="Resume Nightly")).to_be_visible()
    assert site.get("/schedules/nightly")["state"] == "paused"
    page.get_by_role("button", name="Resume Nightly").click()

    expect(page.get_by_role("button", name="Pause Nightly")).to_be_visible()
    assert site.get("/schedules/nightly")["state"] == "active"
