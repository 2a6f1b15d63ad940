"""Documents: facets, the list, what one holds and where it comes from."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site


@pytest.fixture
def ids(site: Site, runs: dict[str, int]) -> dict[str, str]:
    """Documents of the notes' folder by the end of their path."""
    items = site.get("/documents", source_type="local_dir")["items"]
    return {one["source_id"].rsplit("/", 1)[1]: one["id"] for one in items}


def rows(page: Page):
    return page.get_by_role("grid", name="Documents").get_by_role("row")


def test_facets_narrow_the_list_and_stand_in_the_url(page: Page, ids: dict[str, str]):
    page.goto("/documents")
    expect(rows(page).first).to_be_visible()
    types = page.get_by_role("group", name="Source type")

    types.get_by_role("button", name=re.compile("^local_dir")).click()

    expect(page).to_have_url(re.compile("type=local_dir"))
    expect(rows(page)).to_have_count(len(ids))
    page.get_by_role("group", name="Category").get_by_role("button", name=re.compile("^docs")).click()
    expect(rows(page)).to_have_count(3)
    page.reload()
    expect(rows(page)).to_have_count(3)
    page.go_back()
    expect(rows(page)).to_have_count(len(ids))
    page.get_by_role("group", name="The filter").get_by_role("button", name="Clear").click()
    expect(page).not_to_have_url(re.compile("type="))


def test_the_list_is_walked_by_keys_beside_the_document(page: Page, ids: dict[str, str]):
    page.goto("/documents?type=local_dir")
    rows(page).first.click()
    page.get_by_role("grid", name="Documents").focus()

    page.keyboard.press("End")

    expect(rows(page).last).to_have_attribute("aria-current", "true")
    title = rows(page).last.locator(".document-title").inner_text()
    expect(page.get_by_role("article", name=title)).to_be_visible()


def test_hostile_markdown_does_nothing(page: Page, ids: dict[str, str]):
    page.goto(f"/documents/{ids['hostile.md']}")
    text = page.locator(".markdown")
    expect(text).to_contain_text("an image")

    expect(text.locator("script, style, iframe, svg, object, embed, [onerror], [onload]")).to_have_count(0)
    expect(text.locator("[href^='javascript:']")).to_have_count(0)
    expect(text.locator("img[src^='http']")).to_have_count(0)
    expect(page.locator("body")).to_be_visible()
    expect(page).to_have_title(re.compile("^Hostile lease|^Document"))
    page.get_by_role("tab", name="Raw").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("<script>document.title")
    expect(page).not_to_have_title(re.compile("owned"))


def test_markdown_is_laid_out(page: Page, ids: dict[str, str]):
    page.goto(f"/documents/{ids['queues.md']}")
    text = page.locator(".markdown")

    expect(text.get_by_role("table")).to_be_visible()
    expect(text.locator("pre")).to_contain_text("claim(limit=10)")


def test_revisions_are_compared(page: Page, ids: dict[str, str]):
    page.goto(f"/documents/{ids['leases.md']}")
    page.get_by_role("tab", name="History").click()

    expect(page).to_have_url(re.compile("view=history"))
    expect(page.get_by_role("table", name="Revisions").get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("tabpanel")).to_contain_text("Whoever misses the renewal loses its jobs.")


def test_lineage_is_a_graph_and_the_same_as_a_list(page: Page, ids: dict[str, str], runs: dict[str, int]):
    page.goto(f"/documents/{ids['leases.md']}?view=lineage")
    graph = page.get_by_role("group", name=re.compile("^Lineage as a graph"))
    expect(graph).to_contain_text("Lease renewal")
    expect(graph.get_by_role("link").first).to_be_visible()

    page.get_by_role("button", name="List").click()

    listed = page.get_by_role("region", name="Lineage as a list")
    expect(listed).to_contain_text("Lease renewal")
    listed.get_by_role("link", name=f"run #{runs['notes']}").first.click()
    expect(page).to_have_url(re.compile(rf"/runs/{runs['notes']}$|run={runs['notes']}"))


def test_documents_are_chosen_tagged_and_deleted(page: Page, site: Site, runs: dict[str, int]):
    site.define("kept", '[step.work]\ntype = "test_job_generator"\nworker_count = 4\nlog_count = 0\nlog_delay_ms = 0\n'
                'failure_rate = 0\nrecursion_depth = 0\ndocument = true\n')  # fmt: skip
    run_id = site.ran("kept")
    page.goto(f"/documents?run={run_id}")
    expect(rows(page)).to_have_count(4)
    rows(page).nth(0).locator(".tick-cell").click()
    rows(page).nth(1).locator(".tick-cell").click()
    bar = page.get_by_role("region", name="Chosen documents")

    expect(bar).to_contain_text("2 chosen")
    bar.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Delete")).click()

    expect(rows(page)).to_have_count(2)
    assert len(site.get("/documents", run=run_id)["items"]) == 2
