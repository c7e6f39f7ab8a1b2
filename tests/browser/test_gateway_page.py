"""The page in a real browser, on a whole gateway whose Swarm is in memory."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.browser import chromium
from support.gateway import USER, running_gateway

PATIENCE_MS = 10_000
ARTIFACTS = Path(__file__).parents[2] / "artifacts"


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def gateway(tmp_path):
    with running_gateway(tmp_path) as running, running.start_controller() as _:
        running.until(lambda answer: answer.status_code == 200, "/healthz")
        yield running


@pytest.fixture
def open_page(browser, gateway, request):
    """Return a function that opens the page; faults of its scripts fail the test, its last look is kept."""
    faults, pages = [], []

    def opened(**looks) -> Page:
        context = browser.new_context(http_credentials={"username": USER[0], "password": USER[1]}, **looks)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{gateway.url}/ui/")
        pages.append(page)
        return page

    yield opened
    ARTIFACTS.mkdir(exist_ok=True)
    for number, page in enumerate(pages):
        page.screenshot(path=ARTIFACTS / f"{request.node.name}-{number}.png")
        page.context.close()
    assert faults == []


def deploy(gateway, name, **more):
    document = {"service": name, "image": f"functions/{name}:1", **more}
    gateway.ask("/system/functions", method="POST", json=document, auth=USER).raise_for_status()


def test_a_new_cluster_says_what_to_do_next(open_page):
    page = open_page()
    expect(page.get_by_text("piswarm deploy functest")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


def test_a_function_is_deployed_invoked_counted_scaled_and_deleted(open_page, gateway):
    gateway.replica("echo", "127.0.1.1")
    page = open_page()
    page.get_by_role("link", name="Deploy", exact=True).click()
    page.get_by_role("textbox", name="Name", exact=True).fill("echo")
    page.get_by_role("textbox", name="Image").fill("functions/echo:1")
    page.get_by_role("textbox", name="Environment").fill("GREETING=a=b")
    page.get_by_role("button", name="Deploy").click()

    expect(page.get_by_role("heading", name="echo")).to_be_visible()
    page.get_by_role("textbox", name="Path and query").fill("sub/path?x=1")
    page.get_by_role("textbox", name="Body").fill("hello")
    page.get_by_role("button", name="Invoke").click()
    expect(page.get_by_text('"path": "/sub/path?x=1"')).to_be_visible()
    expect(page.get_by_text("200", exact=True)).to_be_visible()
    expect(page.get_by_text("1 call, 100 % good").first).to_be_visible()

    gateway.swarm.logs.write("echo", "first line")
    page.get_by_role("tab", name="Logs").click()
    expect(page.get_by_text("first line")).to_be_visible()
    gateway.swarm.logs.write("echo", "second line")
    expect(page.get_by_text("second line")).to_be_visible()

    page.get_by_role("tab", name="Settings").click()
    expect(page.get_by_text("GREETING=a=b")).to_be_visible()
    page.get_by_role("spinbutton", name="Replicas").fill("3")
    page.get_by_role("button", name="Scale").click()
    expect(page.get_by_text("ready 3/3").first).to_be_visible()
    assert gateway.swarm.functions.one("echo").replicas == 3

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep").click()
    assert gateway.swarm.functions.one("echo")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No function yet.")).to_be_visible()
    assert gateway.swarm.functions.all() == []


def test_a_function_is_edited_and_keeps_what_was_not_touched(open_page, gateway):
    gateway.swarm.secrets.create("token", b"t")
    deploy(gateway, "echo", envVars={"A": "b"}, secrets=["token"], requests={"memory": "32Mi"})
    page = open_page()
    page.get_by_text("echo", exact=True).click()
    page.get_by_role("tab", name="Settings").click()
    page.get_by_role("link", name="Edit and redeploy").click()
    expect(page.get_by_role("checkbox", name="token")).to_be_checked()
    page.get_by_role("textbox", name="Image").fill("functions/echo:2")
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_role("heading", name="echo")).to_be_visible()
    expect(page.get_by_role("button", name="Deploy")).to_be_hidden()
    spec = gateway.swarm.functions.one("echo").spec
    assert (spec.image, spec.environment, spec.secrets) == ("functions/echo:2", {"A": "b"}, ("token",))
    assert spec.requests.memory_bytes == 32 * 2**20


def test_a_refused_deploy_says_why(open_page):
    page = open_page()
    page.get_by_role("link", name="Deploy", exact=True).click()
    page.get_by_role("textbox", name="Name", exact=True).fill("echo")
    page.get_by_role("textbox", name="Image").fill("functions/echo:1")
    page.get_by_role("textbox", name="CPU limit").fill("100")
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_role("alert").filter(has_text="the largest node has 4 CPUs")).to_be_visible()


def test_nodes_are_shown(open_page):
    page = open_page()
    page.get_by_role("link", name="Nodes").click()
    expect(page.get_by_text("Raspberry pi3, armhf · 4 CPUs, 1.0 GiB · 0 replicas")).to_be_visible()


def test_the_page_says_when_the_gateway_is_gone_and_recovers(open_page, gateway, browser):
    deploy(gateway, "echo")
    page = open_page()
    expect(page.get_by_text("echo", exact=True)).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
    expect(page.get_by_text("echo", exact=True)).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_hidden()


def test_the_keyboard_is_enough(open_page, gateway):
    gateway.replica("echo", "127.0.1.1")
    deploy(gateway, "echo")
    page = open_page()
    expect(page.get_by_text("echo", exact=True)).to_be_visible()
    page.get_by_role("link", name="Deploy", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="echo")).to_be_focused()
    page.get_by_role("tab", name="Try it").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Logs")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("textbox", name="Body").focus()
    page.keyboard.type("typed")
    page.get_by_role("button", name="Invoke").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text('"length": 5')).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="echo")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page, gateway, scheme):
    deploy(gateway, "a-function-with-a-very-long-name-that-must-not-break-the-page")
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.get_by_text("a-function-with", exact=False).first.click()
    expect(page.get_by_role("button", name="Invoke")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_is_small_and_whole():
    folder = Path(__file__).parents[2] / "piswarm/gateway/ui"
    files = list(folder.iterdir())
    assert sum(file.stat().st_size for file in files) < 150_000
    for file in files:
        if file.suffix != ".svg":
            assert "https://" not in file.read_text()
