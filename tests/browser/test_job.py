"""The pages of a run, a step and a worker job."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site, load_step, slow_step


@pytest.fixture
def step(site: Site, runs: dict[str, int]) -> int:
    """The step with the failures."""
    return int(site.get(f"/runs/{runs['load']}")["steps"][0]["id"])


@pytest.fixture
def failed_job(site: Site, step: int) -> int:
    return int(site.get(f"/jobs/{step}/children", status="failed", limit=1)["items"][0]["id"])


def panel(page: Page, title: str):
    return page.get_by_role("region", name=title, exact=True)


def tab(page: Page, name: str):
    return page.get_by_role("navigation", name=re.compile("^Parts of")).get_by_role("link", name=re.compile(f"^{name}"))


def test_a_run_shows_its_steps_and_what_became_of_it(page: Page, runs: dict[str, int]):
    page.goto(f"/runs/{runs['load']}")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Load")
    rows = panel(page, "Steps").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="work")).to_contain_text("40 / 40")
    for name in ("Timeline", "Errors", "Documents", "Log", "Inputs", "Compare", "JSON"):
        tab(page, name).click()
        expect(tab(page, name)).to_have_attribute("aria-current", "page")
    expect(page.get_by_text(f'"id": {runs["load"]}').first).to_be_visible()


def test_errors_of_a_run_are_grouped_by_cause(page: Page, runs: dict[str, int], site: Site):
    [family] = site.get(f"/runs/{runs['load']}/families")
    page.goto(f"/runs/{runs['load']}?tab=errors")

    expect(page.locator("#main")).to_contain_text(family["sample"]["message"])
    expect(page.locator("#main")).to_contain_text(f"×{family['count']}")


def test_a_heat_strip_selects_the_jobs_behind_its_cells(page: Page, step: int):
    page.goto(f"/jobs/{step}")
    strip = page.get_by_role("slider")
    expect(strip).to_have_attribute("aria-valuemax", "39")
    strip.focus()

    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")

    expect(page).to_have_url(re.compile("from=0&to=2"))
    rows = panel(page, "Jobs").get_by_role("row")
    expect(rows).to_have_count(4)
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("from="))
    box = strip.bounding_box()
    assert box
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    expect(rows).to_have_count(2)


def test_jobs_of_a_step_are_filtered_by_status_and_cause(page: Page, site: Site, step: int):
    failed = site.get(f"/jobs/{step}")["counters"]["failed"]
    page.goto(f"/jobs/{step}")

    page.get_by_role("group", name="Status of jobs").get_by_role("button", name=re.compile("^failed")).click()

    expect(page).to_have_url(re.compile("status=failed"))
    expect(panel(page, "Jobs").get_by_role("row")).to_have_count(failed + 1)
    page.reload()
    expect(panel(page, "Jobs").get_by_role("row")).to_have_count(failed + 1)
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/jobs/\d+$"))
    expect(panel(page, "Attempts")).to_be_visible()


def test_a_failed_job_shows_attempts_error_and_log(page: Page, failed_job: int):
    page.goto(f"/jobs/{failed_job}")

    expect(panel(page, "Attempts").get_by_role("listitem")).to_have_count(1)
    expect(panel(page, "Attempts")).to_contain_text("failed for good")
    expect(panel(page, "Why it failed")).to_contain_text("fails by its seed")
    expect(panel(page, "Inputs")).to_contain_text('"seed"')
    panel(page, "Attempts").get_by_role("link", name="log").click()
    expect(page.get_by_role("log").locator(".log-row").first).to_be_visible()


def test_a_job_says_why_it_does_not_run(page: Page, site: Site):
    site.define("narrow", slow_step(jobs=3, lines=600, delay_ms=100, at_once=1))
    run_id = site.execute("narrow")
    step = site.get(f"/runs/{run_id}")["steps"][0]["id"]
    page.goto(f"/jobs/{step}?status=pending")
    panel(page, "Jobs").get_by_role("link", name=re.compile("^#")).first.click()

    why = page.get_by_role("region", name=re.compile("^Why", re.IGNORECASE))

    expect(why).to_contain_text(re.compile("limit|concurrency|at once", re.IGNORECASE))
    site.post(f"/runs/{run_id}/cancel")
    site.finished(run_id)


def test_two_runs_are_compared(page: Page, runs: dict[str, int]):
    page.goto(f"/runs/{runs['again']}")
    panel(page, "Facts").get_by_role("link", name="compare").click()

    expect(page).to_have_url(re.compile(f"tab=compare&with={runs['load']}"))
    expect(page.locator("#main")).to_contain_text(f"#{runs['load']}")
    expect(page.locator("#main").get_by_role("table").first).to_be_visible()


def test_a_run_goes_again_from_a_step(page: Page, site: Site):
    site.define("stepped", load_step("one"), load_step("two", extra=['depends = ["one"]']))
    run_id = site.ran("stepped")
    page.goto(f"/runs/{run_id}")

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Resume from a step…").click()
    page.get_by_role("dialog").get_by_role("combobox").select_option("two")
    page.get_by_role("dialog").get_by_role("button").last.click()

    expect(page.locator(".toast").first).to_be_visible()
    newest = site.get("/runs", definition="stepped", limit=1)["items"][0]
    assert newest["rerun_of"] == run_id


def test_a_job_that_is_not_there_says_so(page: Page, faults):
    faults.allow("404")
    page.goto("/jobs/999999")

    expect(page.get_by_role("alert")).to_contain_text("999999")
