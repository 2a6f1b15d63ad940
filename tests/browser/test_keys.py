"""Keys on every page: go somewhere, to the filter, help, and none of it while typing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

GOES = {"q": "Queue", "j": "Definitions", "d": "Documents", "s": "Search", "t": "Schedules", "c": "Settings"}


@pytest.mark.parametrize(("key", "title"), GOES.items())
def test_g_and_a_letter_go_to_a_page(page: Page, key: str, title: str):
    page.goto("/workers" if key == "q" else "/")
    expect(page.get_by_role("status").filter(has_text="Live").first).to_be_visible()

    page.keyboard.press("g")
    page.keyboard.press(key)

    expect(page).to_have_title(re.compile(f"^{title}"))
    expect(page.get_by_role("navigation").get_by_role("link", name=title, exact=True)).to_have_attribute(
        "aria-current", "page"
    )


def test_slash_goes_to_the_filter_and_escape_leaves_it(page: Page):
    page.goto("/")
    field = page.get_by_label("Filter of the log")
    expect(field).to_be_visible()

    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.type("g d?")
    expect(field).to_have_value("g d?")
    expect(page).to_have_url(re.compile(r"/\?"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Escape")

    expect(field).not_to_be_focused()


def test_help_opens_by_its_key_and_escape_closes_it(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_first_tab_stop_skips_to_the_content(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()


def test_the_theme_that_was_chosen_is_kept(page: Page):
    page.goto("/")
    page.get_by_role("button", name="Theme: Dark").click()

    page.reload()

    expect(page.get_by_role("button", name="Theme: Dark")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_an_unknown_address_says_so(page: Page):
    page.goto("/no/such/page")

    expect(page.get_by_text("There is no page /no/such/page.")).to_be_visible()
