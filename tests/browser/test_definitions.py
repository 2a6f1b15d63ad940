"""The list of definitions and their editor."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.site import Site, definition, load_step


def text_of(page: Page, name: str):
    """The editor, when it has checked the text."""
    expect(page.locator(".check-words")).to_be_visible()
    return page.get_by_role("textbox", name=f"Text of {name}")


def write(page: Page, name: str, text: str) -> None:
    text_of(page, name).click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def standing(page: Page, words: str):
    return page.locator(".editor-head").get_by_role("status").filter(has_text=re.compile(f"^{words}$"))


def finding(page: Page):
    return page.get_by_role("list", name="Findings").get_by_role("listitem")


def row(page: Page, definition_id: str):
    return (
        page.get_by_role("table", name="Definitions")
        .get_by_role("row")
        .filter(has=page.get_by_text(definition_id, exact=True))
    )


def test_the_list_shows_schedule_state_and_last_runs(page: Page, runs: dict[str, int]):
    page.goto("/definitions")

    expect(row(page, "notes")).to_contain_text(re.compile("18:30"))
    expect(row(page, "notes")).to_contain_text("2 runs")
    expect(row(page, "notes")).to_contain_text("next in")
    expect(row(page, "broken")).to_contain_text("no_such_worker")
    page.get_by_label("Find definitions").fill("notes")
    expect(row(page, "load")).to_have_count(0)
    page.reload()
    expect(row(page, "notes")).to_be_visible()
    expect(row(page, "load")).to_have_count(0)


def test_an_error_is_marked_at_its_line_and_mended_saved_and_run(page: Page, site: Site):
    site.define("edited", load_step("work"))
    good = definition("edited", load_step("work", worker_count=4))
    page.goto("/definitions/edited")

    write(page, "Edited", good.replace("worker_count = 4", "worker_count = = 4"))
    wrong = good.splitlines().index("worker_count = 4") + 1
    expect(finding(page).first.locator(".finding-place")).to_have_text(re.compile(rf"^{wrong}:\d+$"))
    expect(finding(page).first).to_contain_text("error")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    expect(page.get_by_role("button", name="Save and run")).to_be_disabled()
    write(page, "Edited", good.replace("worker_count = 4", 'worker_count = "many"'))
    expect(finding(page).first).to_contain_text("worker_count")
    write(page, "Edited", good)
    expect(page.locator(".check-words")).to_have_text("No errors")
    expect(finding(page)).to_have_count(0)

    page.get_by_role("button", name="Changes (", exact=False).click()
    expect(page.locator(".diff-table .came").first).to_contain_text("worker_count = 4")
    page.keyboard.press("Control+s")
    expect(standing(page, "Saved")).to_be_visible()
    assert "worker_count = 4" in (site.definitions / "edited.toml").read_text()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("link", name=re.compile(r"Show #\d+")).click()

    expect(page.get_by_role("region", name="Selected: Edited")).to_contain_text("completed")
    expect(page.locator(".tree")).to_contain_text("4/4")


def test_a_file_that_changed_meanwhile_is_not_overwritten_unseen(page: Page, site: Site, faults):
    faults.allow("412")
    site.define("shared", load_step("work"))
    page.goto("/definitions/shared")
    write(page, "Shared", definition("shared", load_step("work", worker_count=5)))
    expect(page.locator(".check-words")).to_have_text("No errors")

    (site.definitions / "shared.toml").write_text(definition("shared", load_step("work", worker_count=7)))
    page.get_by_role("button", name="Save", exact=True).click()

    dialog = page.get_by_role("dialog", name=re.compile("changed elsewhere"))
    expect(dialog.locator(".went")).to_contain_text(["worker_count = 7"])
    expect(dialog.locator(".came")).to_contain_text(["worker_count = 5"])
    dialog.get_by_role("button", name="Keep mine").click()
    expect(standing(page, "Saved")).to_be_visible()
    assert "worker_count = 5" in (site.definitions / "shared.toml").read_text()


def test_unsaved_changes_are_not_lost_unasked(page: Page, site: Site):
    site.define("unsaved", load_step("work"))
    page.goto("/definitions/unsaved")
    write(page, "Unsaved", definition("unsaved", load_step("work", worker_count=9)))
    expect(standing(page, "Unsaved changes")).to_be_visible()

    page.get_by_role("link", name="Documents", exact=True).click()
    dialog = page.get_by_role("dialog", name="Leave without saving?")
    dialog.get_by_role("button", name="Keep as it is").click()
    expect(page).to_have_url(re.compile("/definitions/unsaved$"))
    page.get_by_role("link", name="Documents", exact=True).click()
    dialog.get_by_role("button", name="Leave, lose the changes").click()

    expect(page).to_have_url(re.compile("/documents$"))


def test_keys_of_the_page_do_nothing_in_the_editor(page: Page, site: Site):
    site.define("typed", load_step("work"))
    page.goto("/definitions/typed")
    text_of(page, "Typed").click()

    page.keyboard.press("Control+End")
    page.keyboard.type("# g d ? /")

    expect(text_of(page, "Typed")).to_contain_text("# g d ? /")
    expect(page).to_have_url(re.compile("/definitions/typed$"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+z")


def test_a_key_is_completed_from_the_schema(page: Page, site: Site):
    site.define("completed", load_step("work"))
    page.goto("/definitions/completed")
    write(page, "Completed", definition("completed", load_step("work")))
    page.keyboard.press("Control+End")

    page.keyboard.type("\njob_tim")
    page.keyboard.press("Control+Space")

    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("job_timeout")


def test_a_definition_is_switched_off_and_on(page: Page, site: Site):
    site.define("switched", load_step("work"))
    page.goto("/definitions")
    switch = page.get_by_role("switch", name="Switched is enabled")
    expect(switch).to_have_attribute("aria-checked", "true")

    switch.click()
    expect(row(page, "switched")).to_contain_text("disabled")
    expect(row(page, "switched").get_by_role("button", name="Run")).to_be_disabled()
    assert site.client.post("/api/definitions/switched/execute", json={}).status_code == 409
    switch.click()

    expect(row(page, "switched")).to_contain_text("ready")
    expect(switch).to_have_attribute("aria-checked", "true")


def test_a_definition_is_made_from_a_template_and_deleted(page: Page, site: Site):
    page.goto("/definitions")
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_role("dialog").get_by_role("listitem").first.get_by_role("button").click()
    write(page, "New definition", definition("made-here", load_step("work")))
    expect(page.locator(".check-words")).to_have_text("No errors")

    page.get_by_role("button", name="Save", exact=True).click()

    expect(page).to_have_url(re.compile("/definitions/made-here$"))
    assert site.get("/definitions/made-here")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Delete")).click()
    expect(page).to_have_url(re.compile("/definitions$"))
    assert site.client.get("/api/definitions/made-here").status_code == 404
