"""The Search page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.site import Site


def hits(page: Page):
    return page.get_by_role("list", name="Hits").get_by_role("listitem").filter(has=page.get_by_role("heading"))


def test_hits_are_marked_and_opened_by_keys(page: Page, runs: dict[str, int]):
    page.goto("/search")

    page.get_by_label("Search in documents").fill("lease")
    page.keyboard.press("Enter")

    expect(hits(page)).to_have_count(2)
    expect(page.get_by_role("status").filter(has_text="2 hits, in")).to_be_visible()
    expect(hits(page).first.locator("mark").first).to_have_text(re.compile("lease", re.IGNORECASE))
    expect(page).to_have_url(re.compile("q=lease"))
    page.reload()
    expect(hits(page)).to_have_count(2)
    page.get_by_label("Search in documents").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/documents/doc_"))
    page.go_back()
    expect(hits(page)).to_have_count(2)


def test_hits_are_narrowed_by_what_they_are(page: Page, runs: dict[str, int]):
    page.goto("/search?q=lease OR claim")
    expect(hits(page)).to_have_count(4)

    page.get_by_role("group", name="Tag").get_by_role("button", name=re.compile("^category:docs")).click()

    expect(page).to_have_url(re.compile("tag(:|%3A)"))
    expect(page.get_by_role("group", name="Parts of the query")).to_contain_text("category:docs")
    expect(hits(page)).to_have_count(3)


def test_nothing_found_says_what_to_try(page: Page, runs: dict[str, int]):
    page.goto("/search?q=xylophone")

    expect(page.get_by_text("No document fits this query.")).to_be_visible()
    page.get_by_role("button", name="xylophone*").click()
    expect(page).to_have_url(re.compile(r"q=xylophone(\*|%2A)"))


def test_a_query_that_can_not_be_read_is_shown_at_its_place(page: Page, runs: dict[str, int], faults):
    faults.allow("400|422")
    page.goto("/search?q=lease after:never")

    expect(page.get_by_role("alert")).to_contain_text("This query can't be read.")


def test_a_search_is_saved(page: Page, site: Site, runs: dict[str, int]):
    page.goto("/search?q=lease")
    page.get_by_role("button", name="Save this search").click()
    page.goto("/search")

    page.get_by_role("button", name="lease", exact=True).first.click()

    expect(hits(page)).to_have_count(2)
