"""The leaderboard in a real browser: the server as `repro leaderboard` starts it, driven through Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec
import pytest

from repro.record import claim_list
from repro.record.record import decode, seal
from repro.record.store import Store
from tests import factory

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
NAME = "seen-in-a-browser"  # no claim of this name is published
RECORD = factory.exhibited(name=NAME)
RESNET = factory.RESNET.title
COFFEE = "Quantifying the Rise and Fall of Complexity in Closed Systems: The Coffee Automaton"
TITLES = {
    "": "Board",
    "?full=true": "Board",
    "findings": "Findings",
    "trust": "Trust",
    "telemetry": "Telemetry",
    "submit": "Submit",
    "about": "About",
    f"claim?claim=he2015/{NAME}": f"he2015/{NAME}@1",
    f"claim?claim=aaronson2014/{NAME}": f"aaronson2014/{NAME}@1",
    "claim?claim=he2015/imagenet-depth-gains": "he2015/imagenet-depth-gains@1",  # days on a GPU: nobody has run it yet
    "paper?paper=he2015": RESNET,
    "implementations": "Implementations",
    "implementations?paper=aaronson2014": f"Implementations of {COFFEE}",
    "compare?paper=aaronson2014": f"{COFFEE}, side by side",
    f"record?record={RECORD.id.removeprefix('sha256:')[:16]}": f"{RECORD.id[7:23]} {RECORD.claim.id}",
}
PAGES = list(TITLES)
HOSTILE = "![x](http://elsewhere.test/x.png) [click](http://elsewhere.test/) <http://elsewhere.test/>"
ASKED = {
    "": "q paper verdict evidence tier implementation hardware full",
    f"claim?claim=he2015/{NAME}": "claim row implementation record",
    "paper?paper=aaronson2014": "paper scale curve",
    "implementations?paper=he2015": "paper division runner quality cost page",
    "compare?paper=he2015": "paper with only",
    f"record?record={RECORD.id[7:23]}": "record raw",
    "telemetry?paper=he2015": "paper machine",
    f"telemetry?claim=he2015/{NAME}": "claim machine trial",
    f"telemetry?record={RECORD.id[7:23]}": "record trial",
}
"""What each page can be asked for, beside what it needs to show anything."""
COFFEE_PAPER, STATED = next(
    (part.paper, one.claim)
    for part in claim_list.read(Path(__file__).parents[1])
    for one in part.claims
    if part.paper.key == "aaronson2014" and one.claim.expected_refuted
)
"""A paper, and a claim of it today that is known not to hold: only such a one stands among the findings."""
MARKUP = "<img src=x onerror='window.struck=1'><script>window.struck=2</script>"

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra `dev`")
PATIENCE = 60_000  # milliseconds: other tests may take all processors
playwright.expect.set_options(timeout=PATIENCE)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a running board that shows a few records beside the published ones."""
    root = tmp_path_factory.mktemp("board")
    store = Store(root / "store")
    store.add(RECORD)
    store.add(factory.table_row("ResNet-20", 8.75, [8.6, 8.8]))
    for name in ("mine", HOSTILE):
        store.add(factory.degrades(name=f"{NAME}-beside", submission=name))
    store.add(factory.rises_and_falls(name=NAME))
    own = {"paper": COFFEE_PAPER, "name": STATED.name, "row": STATED.row, "version": STATED.version}
    finding = factory.withdrawn(**own, says=MARKUP, created="2027-01-01T00:00:00Z")
    store.add(seal(msgspec.structs.replace(finding, id="", flag=MARKUP)))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from harness.cli import main; main()", "leaderboard", "--port", str(port)]
    command += ["--store", str(store.root)]
    with (root / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=Path(__file__).parents[1], env=os.environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(f"http://localhost:{port}/_stcore/health", server, root / "log")
        yield f"http://localhost:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=20)


def _wait(health: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except OSError:
            time.sleep(0.25)
    pytest.fail("the server does not answer:\n" + log.read_text())


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Opens pages of the board, each in a window of its own."""
    contexts = []

    def open_page(path="", *, width=1280, scheme="light", requests=None):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if requests is not None:
            page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{address}/{path}")
        page.locator(".r :is(h1, h3)").first.wait_for()
        page.locator("[data-test-script-state=notRunning]").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


def sideways(page) -> int:
    """How many pixels the page can be scrolled to the side."""
    wide = "Math.max(...[document.documentElement, document.querySelector('[data-testid=stMain]')]"
    return page.evaluate(wide + ".map(e => e.scrollWidth - e.clientWidth))")


def still(page) -> None:
    """Wait until nothing fades or unfolds any more: a faded text has no contrast."""
    page.wait_for_function(
        "!document.getAnimations().some(one => isFinite(one.effect.getComputedTiming().endTime)"
        " && one.playState == 'running')"
    )


def settled(page) -> int:
    """The same once it no longer changes: a chart is drawn wide and then fitted to its column."""
    still(page)
    before, now = -1, sideways(page)
    for _ in range(40):
        if before == now <= 0:
            break
        page.wait_for_timeout(500)
        before, now = now, sideways(page)
    return now


def test_the_first_visit_to_a_server_may_be_a_permalink(visit):
    """The page has its style sheet and its menu though nobody has opened the board yet: so this test stands first."""
    page = visit(f"claim?claim=he2015/{NAME}")
    badge = page.locator(".badge.supported").first
    assert badge.evaluate("e => getComputedStyle(e).fontWeight") == "600"
    page.get_by_role("link", name="Findings").first.wait_for()


def test_the_board_opens_and_a_claim_is_one_click_away(visit, tmp_path):
    """Heading, story and rows are there; a row's statement leads to the claim's page, with its chart drawn."""
    page = visit("?full=true")
    assert "what we measured" in page.locator("h1").first.inner_text()
    assert page.locator(".story", has_text="What was withdrawn is kept as a finding").count() == 1
    row = page.locator("table.claims tr", has_text=f"{NAME}@1").filter(has_text="plain network")
    assert "supported" in row.inner_text()
    assert "64.56%" in row.inner_text()
    shot = tmp_path / "board.png"
    page.screenshot(path=shot)
    assert shot.stat().st_size > 20_000
    row.get_by_role("link").click()
    page.locator("h1", has_text="A deeper plain network").wait_for()
    page.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").first.wait_for()
    assert page.url.endswith(f"claim?claim=he2015/{NAME}")
    page.go_back()
    page.locator("h1", has_text="what we measured").wait_for()


def test_what_nobody_has_run_is_two_clicks_from_the_board(visit):
    """The end of the paper's bar is dashed and counts it; behind its claim are no verdict and a command."""
    page = visit()
    bar = page.get_by_role("link", name=re.compile(r"reproduced.* not measured; \d+ of \d+ claims judged")).first
    assert bar.bounding_box()["height"] >= 24
    assert bar.locator(".absent").evaluate("e => getComputedStyle(e).borderTopStyle") == "dashed"
    bar.click()
    page.locator("h2", has_text="Not measured").wait_for()
    page.locator("h2:has-text('Not measured') ~ table.claims a.statement, table.claims tr:has(.absent) a").first.click()
    page.get_by_text("Nobody has run this yet: no number, no verdict.").wait_for()
    assert page.locator("[data-testid=stCode]").inner_text().startswith("repro run ")


def test_badges_and_data_are_served_beside_the_pages(address):
    """For READMEs of others: pictures, the lines of the board, a record; what is wrong is said as JSON."""
    with urllib.request.urlopen(f"{address}/badge/he2015/{NAME}.svg") as answer:
        assert answer.headers["Content-Type"] == "image/svg+xml"
        assert b"supported" in answer.read()
    with urllib.request.urlopen(f"{address}/api/claims.json") as answer:
        (line,) = [one for one in json.load(answer)["claims"] if one["claim"] == f"he2015/{NAME}"]
    with urllib.request.urlopen(f"{address}/api/records/{line['record'].removeprefix('sha256:')}") as answer:
        assert decode(answer.read()) == RECORD
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/badge/nobody2000.svg")
    assert refused.value.code == 404
    assert "no such paper" in json.load(refused.value)["detail"]


def outline(page) -> tuple[str, str]:
    """How what has the focus is marked."""
    look = "getComputedStyle(document.activeElement)"
    return page.evaluate(f"{look}.outlineStyle"), page.evaluate(f"{look}.outlineWidth")


def test_keys_are_enough(visit):
    """Tab leads from the menu to the filters, typing narrows the board, and Enter on a verdict opens its claim."""
    page = visit()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
        if reached[-1] == "Search":
            break
        if reached[-1] in ("Findings", "About"):
            assert outline(page) == ("solid", "2px")
    assert reached[-1] == "Search", reached
    assert {"Findings", "About"} <= set(reached)
    page.keyboard.type(NAME)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/?q={NAME}")
    link = page.locator("table.claims a.statement").first
    link.wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('table.claims a.statement')"):
            break
    else:
        pytest.fail("no statement is reached")
    assert outline(page) == ("solid", "2px")
    page.keyboard.press("Enter")
    page.get_by_text("History", exact=True).wait_for()
    assert NAME in page.url


def test_more_filters_follow_their_button(visit):
    """Enter opens them, the next stops of Tab are the filters themselves, and they wrap on a phone."""
    for width in (1280, 390):
        page = visit(width=width)
        page.locator(".bar").first.wait_for()
        assert not page.get_by_role("button", name="inconclusive").count()
        page.get_by_text("Every claim in full").wait_for()
        page.get_by_role("combobox", name="Paper").wait_for()
        page.get_by_label("Search").focus()
        for _ in range(4):
            page.keyboard.press("Tab")
        assert "More filters" in page.evaluate("document.activeElement.innerText")
        assert outline(page) == ("solid", "2px")
        page.keyboard.press("Enter")
        last = page.get_by_role("button", name="unexpected")
        last.wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.innerText") == "reproduced"
        assert outline(page) == ("solid", "2px")
        still(page)
        ends = last.bounding_box()
        assert ends["x"] + ends["width"] < width
        page.keyboard.press("Enter")
        page.wait_for_url("**/?verdict=reproduced")


def test_back_and_forward_follow_the_filters(visit):
    """Each filter is a step of the browser's history, and going back shows what was shown."""
    page = visit("?full=true")
    everything = page.get_by_text("verdicts shown").inner_text()
    page.get_by_label("Search").fill(NAME)
    page.get_by_label("Search").press("Enter")
    playwright.expect(page.get_by_text("verdicts shown")).not_to_have_text(everything)
    page.locator("table.claims a.statement").first.click()
    page.get_by_text("History", exact=True).wait_for()
    page.go_back()
    page.wait_for_url(f"**q={NAME}**")
    playwright.expect(page.get_by_text("verdicts shown")).not_to_have_text(everything)
    page.go_forward()
    page.get_by_text("History", exact=True).wait_for()


def test_each_choice_is_a_step_of_the_history(visit, address):
    """Back and forward go through them one by one, and the widgets show what the address says."""
    page = visit()
    field, count = page.get_by_label("Search"), page.get_by_text("verdicts shown")
    everything = count.inner_text()
    field.fill("plain")
    field.press("Enter")
    page.wait_for_url(f"{address}/?q=plain")
    playwright.expect(count).not_to_have_text(everything)
    some = count.inner_text()
    page.get_by_role("combobox", name="Paper").click()
    page.get_by_role("option", name="he2015").click()
    page.wait_for_url(f"{address}/?q=plain&paper=he2015")
    playwright.expect(count).not_to_have_text(some)
    few = count.inner_text()
    for step, url, shown, words, paper in (
        (page.go_back, "/?q=plain", some, "plain", "All papers"),
        (page.go_back, "/", everything, "", "All papers"),
        (page.go_forward, "/?q=plain", some, "plain", "All papers"),
        (page.go_forward, "/?q=plain&paper=he2015", few, "plain", "he2015"),
        (page.go_back, "/?q=plain", some, "plain", "All papers"),
    ):
        step()
        page.wait_for_url(f"{address}{url}")
        playwright.expect(count).to_have_text(shown)
        playwright.expect(field).to_have_value(words)
        playwright.expect(page.get_by_role("combobox", name="Paper")).to_have_value(paper)
        assert page.url == f"{address}{url}", "nothing takes a part out again"


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("?verdict=finding&q=net", "table.claims .badge.finding"),
        ("paper?paper=he2015&scale=in+margins", "[aria-checked=true] >> text=in margins"),
        ("compare?paper=he2015&with=reference&with=submission%3Amine&only=false", "text=Claim by claim"),
        ("implementations?paper=he2015&quality=share%20of%20the%20claims%20it%20answers", "text=of those answered"),
        (f"{PAGES[-1]}&raw=true", "[data-testid=stCode] >> text=schema"),
        ("telemetry?paper=he2015&machine=gone", "text=There is no machine"),
    ],
)
def test_going_back_from_the_menu_restores_the_page(visit, address, path, seen):
    """With all that its address asks for, whichever page it is."""
    page = visit(path)
    page.locator(seen).first.wait_for()
    page.get_by_role("link", name="About").first.click()
    page.wait_for_url(f"{address}/about")
    page.locator("h1", has_text="About").wait_for()
    page.go_back()
    page.locator(seen).first.wait_for()
    page.wait_for_timeout(500)
    assert page.url == f"{address}/{path}"
    assert page.locator(seen).count()


@pytest.mark.parametrize("path", ASKED)
def test_texts_of_addresses_are_no_markup(visit, address, path):
    """Whatever is asked for, and whatever a submission is called: no other host is asked, and no link leads there."""
    page, _, needs = path.partition("?")
    names = ASKED[path].split()
    base = dict([needs.split("=")]) if needs else {}
    rest = {name: [HOSTILE, f"submission:{HOSTILE}"] for name in names if name not in base}
    shown = []
    for asked in (base | rest, *({name: HOSTILE} for name in base), base | {HOSTILE: HOSTILE}):
        requests = []
        opened = visit(f"{page}?{urlencode(asked, doseq=True)}", requests=requests)
        for box in opened.get_by_role("combobox").all():
            box.click()
            opened.keyboard.press("Escape")
        opened.wait_for_timeout(500)
        shown.append(opened.inner_text("body"))
        found = opened.evaluate("[...document.querySelectorAll('a, img')].map(e => e.href || e.src)")
        strange = {urlsplit(url).hostname for url in (*requests, *found) if url.startswith("http")} - {"localhost"}
        assert not [host for host in strange if host.endswith(".test")], strange
        assert {urlsplit(url).netloc for url in requests if url.startswith("http")} == {urlsplit(address).netloc}
    assert [text for text in shown if HOSTILE[:20] in text], "the text is shown, as text"


def test_a_permalink_opens_a_claim(visit):
    """The address of a claim's page is enough, and its title names the claim."""
    page = visit(f"claim?claim=aaronson2014/{NAME}")
    page.get_by_text("History", exact=True).wait_for()
    playwright.expect(page).to_have_title(f"aaronson2014/{NAME}@1 · Repro")


def test_filters_are_in_the_address(visit):
    """Choosing a verdict narrows the board and changes the address; opening that address shows the same."""
    page = visit()
    page.get_by_text("More filters").click()
    page.get_by_role("button", name="finding").click()
    page.wait_for_url("**/?verdict=finding")
    playwright.expect(page.locator("table.claims .badge.supported")).to_have_count(0)
    again = visit("?verdict=finding")
    playwright.expect(again.locator("table.claims .badge.supported")).to_have_count(0)
    assert again.locator("table.claims .badge.finding").count() >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [*PAGES, "?paper=nobody&verdict=finding"])
def test_pages_have_titles_are_accessible_and_fit_a_phone(visit, path, scheme):
    """Axe-core finds nothing (names, contrast, headings, tables, landmarks); at 390 px nothing scrolls sideways.

    The title names the page or what it shows, and the text follows the theme that the system asks for.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe, of the extra `dev`").Axe()
    page = visit(path, scheme=scheme)
    playwright.expect(page).to_have_title(f"{TITLES.get(path, 'Board')} · Repro")
    settled(page)
    found = axe.run(page).response["violations"]
    assert not found, [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]
    light = page.evaluate("getComputedStyle(document.querySelector('.r')).color.match(/\\d+/g).map(Number)[0]")
    assert (light > 128) == (scheme == "dark")
    page.set_viewport_size({"width": 390, "height": 900})
    assert settled(page) <= 0


def test_what_is_folded_on_a_claim_is_accessible_and_its_addresses_answer(visit):
    """Samples and texts to copy, unfolded: axe-core finds nothing, and badge and JSON lie where they are said to."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe, of the extra `dev`").Axe()
    for scheme in ("light", "dark"):
        page = visit(f"claim?claim=he2015/{NAME}", scheme=scheme)
        settled(page)
        for summary in page.locator("summary").all():
            summary.click()
        page.get_by_text("Badge, for Markdown").wait_for()
        page.wait_for_timeout(500)
        still(page)
        found = axe.run(page).response["violations"]
        assert not found, [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]
    codes = [code.inner_text() for code in page.locator("[data-testid=stExpander] code").all()]
    (badge,) = [code.partition("[![")[2].partition("](")[2].partition(")")[0] for code in codes if code[:3] == "[!["]
    with urllib.request.urlopen(badge) as answer:
        assert answer.headers["Content-Type"] == "image/svg+xml"
    (own,) = [code for code in codes if "/api/records/" in code]
    with urllib.request.urlopen(own) as answer:
        assert decode(answer.read()) == RECORD


def test_a_record_verifies_itself_and_downloads(visit, tmp_path):
    """The button judges the stored bytes again; what is downloaded is the record's file."""
    page = visit(PAGES[-1])
    page.get_by_role("button", name="Verify this record").click()
    page.get_by_text("judged again").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the record (JSON)").click()
    download.value.save_as(tmp_path / "record.json")
    assert decode((tmp_path / "record.json").read_bytes()) == RECORD


@pytest.mark.parametrize(("width", "seen"), [(1280, "broad"), (390, "slim")])
def test_an_exhibit_is_an_image_for_the_width_of_the_screen(visit, width, seen):
    """Of its two drawings one shows, and the browser can decode it."""
    shown = visit(f"claim?claim=he2015/{NAME}", width=width).locator(".drawing img:visible")
    assert shown.evaluate("image => image.decode().then(() => image.className)") == seen


def test_markup_in_records_is_text(visit):
    """Scripts and handlers in a record's texts are shown as they are written, and never run."""
    claim = urlencode({"claim": f"aaronson2014/{STATED.name}", "row": STATED.row or ""})
    for path in ("", "findings", f"claim?{claim}"):
        page = visit(path)
        page.wait_for_timeout(300)
        assert page.evaluate("window.struck") is None
    assert "window.struck=1" in visit("findings").locator(".panel", has_text="struck").first.inner_text()
