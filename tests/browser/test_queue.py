"""The Queue page: a run followed live, its log filtered, and what people do to runs."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.site import Site, load_step, slow_step


def run_row(page: Page, run_id: int):
    return page.get_by_role("treeitem").filter(has=page.get_by_text(f"#{run_id}", exact=True))


def inspector(page: Page, name: str):
    return page.get_by_role("region", name=f"Selected: {name}")


def test_a_run_is_followed_live_to_its_end(page: Page, site: Site):
    site.define("followed", slow_step("first", jobs=6, lines=40, delay_ms=40), head='description = "x"')
    page.goto("/")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    expect(page.get_by_role("treeitem").filter(has_text="Followed")).to_have_count(0)

    run_id = site.execute("followed")

    row = run_row(page, run_id)
    expect(row).to_contain_text("Followed")
    row.click()
    lines = page.get_by_role("log").locator(".log-row")
    expect(lines.first).to_be_visible()
    expect(row).to_contain_text("running")
    expect(page.get_by_role("treeitem").filter(has_text="first")).to_be_visible()
    expect(row.locator(".counts")).to_have_text(re.compile(r"6\s*/6"))
    expect(inspector(page, "Followed")).to_contain_text("completed")
    assert site.get(f"/runs/{run_id}")["status"] == "completed"
    shown = page.locator(".log-pane .dim.nowrap").filter(has_text=re.compile("of"))
    last = site.get(f"/runs/{run_id}/logs", order="desc", limit=1)["items"][0]["seq"]
    expect(shown).to_have_text(re.compile(rf"of {last}"))


def test_the_log_is_filtered_in_the_browser_on_the_same_socket(page: Page, site: Site, runs: dict[str, int]):
    sockets: list[str] = []
    asked: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"/?run={runs['load']}")
    rows = page.get_by_role("log").locator(".log-row")
    expect(rows.first).to_be_visible()
    page.on("request", lambda request: asked.append(request.url))
    levels = page.get_by_role("group", name="Levels")

    levels.get_by_role("button", name=re.compile("^warning")).click()

    expect(page).to_have_url(re.compile("level=warning"))
    expect(page.locator(".log-row:not(.level-warning)")).to_have_count(0)
    expect(rows.first).to_be_visible()
    levels.get_by_role("button", name=re.compile("^warning")).click()
    field = page.get_by_label("Filter of the log")
    field.fill("step:after test_job.worked")
    expect(page.get_by_text(re.compile(r"^3 of \d+$"))).to_be_visible()
    field.fill("level:nonsense")
    expect(page.locator(".field-problem")).to_be_visible()
    field.fill("nothing-says-this")
    expect(page.get_by_text("No line fits the filter.")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(rows.first).to_be_visible()
    assert len(sockets) == 1
    assert not [url for url in asked if "/logs/stream" in url]


def test_a_run_is_cancelled_after_a_question(page: Page, site: Site):
    site.define("stopped", slow_step(jobs=50, lines=600, delay_ms=100))
    run_id = site.execute("stopped")
    page.goto(f"/?run={run_id}")
    panel = inspector(page, "Stopped")
    expect(panel).to_contain_text("running")

    panel.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Keep as it is").click()
    expect(panel).to_contain_text("running")
    panel.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()

    expect(panel).to_contain_text("cancelled")
    assert site.finished(run_id)["status"] == "cancelled"


def test_a_run_is_paused_and_goes_on(page: Page, site: Site):
    site.define("paused", slow_step(jobs=60, lines=10, delay_ms=25, at_once=4))
    run_id = site.execute("paused")
    page.goto(f"/?run={run_id}")
    panel = inspector(page, "Paused")

    panel.get_by_role("button", name="Pause").click()
    expect(panel).to_contain_text("paused")
    panel.get_by_role("button", name="Resume").click()

    expect(panel).to_contain_text("completed")
    assert site.finished(run_id)["counters"]["completed"] == 60


def test_failed_jobs_are_tried_again_in_a_run_of_their_own(page: Page, site: Site):
    site.define("flawed", load_step("work", worker_count=20, failure_rate=0.3))
    run_id = site.ran("flawed")
    failed = site.get(f"/runs/{run_id}")["counters"]["failed"]
    assert failed
    page.goto(f"/?run={run_id}")

    inspector(page, "Flawed").get_by_role("button", name="Retry failed").click()
    page.get_by_role("link", name=re.compile(r"Show #\d+")).click()

    expect(page).not_to_have_url(re.compile(rf"run={run_id}\b"))
    assert site.finished(_run_in(page))["rerun_of"] == run_id


def test_a_run_is_run_again_and_the_old_one_deleted(page: Page, site: Site):
    site.define("repeated", load_step("work"))
    run_id = site.ran("repeated")
    page.goto(f"/?run={run_id}")
    panel = inspector(page, "Repeated")

    panel.get_by_role("button", name="Run again").click()
    page.get_by_role("link", name=re.compile(r"Show #\d+")).click()
    expect(page).not_to_have_url(re.compile(rf"run={run_id}\b"))
    assert site.finished(_run_in(page))["rerun_of"] == run_id

    run_row(page, run_id).click()
    expect(page).to_have_url(re.compile(rf"run={run_id}\b"))
    # The address changes at once, what is shown with the next frame.
    expect(panel.get_by_text(f"repeats #{run_id}")).to_have_count(0)
    panel.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the run").click()

    expect(run_row(page, run_id)).to_have_count(0)
    assert site.client.get(f"/api/runs/{run_id}").status_code == 404


def test_workers_of_a_step_are_shown_failed_first_and_by_cause(page: Page, runs: dict[str, int]):
    page.goto(f"/?run={runs['load']}")
    run_row(page, runs["load"]).dblclick()
    step = page.get_by_role("treeitem", level=2).filter(has_text="work")
    step.first.click()
    panel = inspector(page, "work")
    cause = panel.get_by_role("group", name="Errors by cause").get_by_role("button").first

    cause.click()

    expect(page.get_by_role("treeitem", level=3).first).to_be_visible()
    expect(cause).to_have_attribute("aria-pressed", "true")
    panel.get_by_role("group", name="Show worker jobs that are").get_by_role(
        "button", name=re.compile("^completed")
    ).click()
    expect(page.get_by_role("treeitem", level=3).first).to_be_visible()


def test_the_tree_is_walked_by_keys(page: Page, runs: dict[str, int]):
    page.goto(f"/?run={runs['notes']}")
    tree = page.get_by_role("tree")
    expect(tree.get_by_role("treeitem").first).to_be_visible()
    tree.focus()

    page.keyboard.press("Home")
    expect(tree).to_have_attribute("aria-activedescendant", "t-0")
    page.keyboard.press("ArrowRight")
    expect(tree.locator("#t-0")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(tree).to_have_attribute("aria-activedescendant", "t-1")
    page.keyboard.press("ArrowLeft")
    expect(tree).to_have_attribute("aria-activedescendant", "t-0")
    page.keyboard.press("ArrowLeft")
    expect(tree.locator("#t-0")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/runs/\d+$"))


def test_filters_stand_in_the_url_over_reload_and_back(page: Page, runs: dict[str, int]):
    page.goto("/")
    page.get_by_label("Definition", exact=True).select_option("notes")
    expect(page).to_have_url(re.compile("definition=notes"))
    expect(run_row(page, runs["load"])).to_have_count(0)

    page.reload()
    expect(page.get_by_label("Definition", exact=True)).to_have_value("notes")
    expect(run_row(page, runs["notes"])).to_be_visible()
    expect(run_row(page, runs["load"])).to_have_count(0)

    page.get_by_role("link", name="System").click()
    expect(page).to_have_url(re.compile("/system$"))
    page.go_back()
    expect(page.get_by_label("Definition", exact=True)).to_have_value("notes")
    expect(page).to_have_url(re.compile("definition=notes"))


def test_the_timeline_shows_the_steps_of_a_run(page: Page, runs: dict[str, int]):
    page.goto(f"/?run={runs['load']}")

    page.get_by_role("button", name="Timeline").click()

    expect(page).to_have_url(re.compile("view=timeline"))
    expect(page.locator("#main").get_by_text("after", exact=True).first).to_be_visible()


def test_a_link_to_a_run_selects_it(page: Page, runs: dict[str, int]):
    page.goto(f"/?run={runs['again']}")

    inspector(page, "Load").get_by_role("link", name=f"repeats #{runs['load']}").click()

    expect(page).to_have_url(re.compile(rf"run={runs['load']}$"))
    expect(inspector(page, "Load")).to_contain_text(f"#{runs['load']}", timeout=5_000)
    expect(page.get_by_text(f"repeats #{runs['load']}")).to_have_count(0, timeout=5_000)


def test_all_that_can_be_done_to_a_run_is_in_reach(page: Page, runs: dict[str, int]):
    page.goto(f"/?run={runs['load']}")
    panel = inspector(page, "Load")

    panel.get_by_role("button", name="More").click(timeout=5_000)

    expect(page.get_by_role("menuitem", name="Delete…")).to_be_visible()
    page.keyboard.press("Escape")
    panel.get_by_role("link", name="Details").click()
    expect(page).to_have_url(re.compile(rf"/runs/{runs['load']}$"))


def _run_in(page: Page) -> int:
    """The run that the address names."""
    found = re.search(r"run=(\d+)", page.url)
    assert found, page.url
    return int(found[1])
