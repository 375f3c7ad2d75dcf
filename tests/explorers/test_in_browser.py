"""The printed explorers in a real browser, with no network and no kernel."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from mlsys_lib.explorers import Explorer

HEAD = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
OTHER_OUTPUT = (
    '<div class="bd-content"><div class="cell_output"><div class="text_html" id="other">not ours'
    "</div></div></div>"
)
Open = Callable[..., Page]
MOVE = """([name, control, index]) => {
  const input = document.querySelector(
    `[data-name=${name}] [data-control=${control}] input`);
  input.value = index;
  input.dispatchEvent(new Event("input", {bubbles: true}));
}"""
SHOWN = """(name) => {
  const root = document.querySelector(`[data-name=${name}]`);
  return {
    drawing: root.querySelector(".mlsys-panels").innerHTML,
    alt: root.querySelector(".mlsys-panels").getAttribute("aria-label"),
    texts: [...root.querySelectorAll("output")].map((output) => output.textContent),
    spoken: [...root.querySelectorAll("input")].map((i) => i.getAttribute("aria-valuetext")),
    cells: [...root.querySelectorAll("td")].map((cell) => cell.textContent),
    frame: +root.dataset.frame,
  };
}"""
PARSED = (
    '(svg) => { const e = document.createElement("div"); e.innerHTML = svg; return e.innerHTML; }'
)


@pytest.fixture(scope="session")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that pages are written to."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def problems() -> list[str]:
    """Return what the console and the network complained of."""
    return []


@pytest.fixture
def open_page(
    browser: Browser, printed: Path, problems: list[str], wave: Explorer, turn: Explorer
) -> Iterator[Open]:
    """Open a page with both explorers; at the end nothing may have been complained of."""
    opened = []

    def open_at(address: str = "", theme: str = "light", head: str = "", **options: Any) -> Page:
        path = printed / f"{theme}-{abs(hash(head))}.html"
        if not path.exists():
            first = '<h2 id="first">First</h2><p><a href="#turn:workers=7,step=2">seven</a></p>'
            last = f'<h2 id="last">Last</h2>{card(turn)}<div style="height:3000px"></div>'
            body = first + card(wave) + last + OTHER_OUTPUT
            html = f'<!doctype html><html lang="en" data-theme="{theme}"><title>t</title>'
            path.write_text(f"{html}{HEAD}{head}<body>{body}</body></html>", encoding="utf-8")
        context = browser.new_context(offline=True, **options)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.goto(path.as_uri() + address)
        return page

    yield open_at
    for context in opened:
        context.close()
    assert problems == []


def card(explorer: Explorer) -> str:
    """Return the explorer inside the elements that the book's theme puts around an output."""
    return (
        '<div class="bd-content"><div class="cell_output"><div class="output text_html">'
        f"{explorer.page()}</div></div></div>"
    )


def shows(page: Page, explorer: Explorer, position: dict[str, Any]) -> None:
    """Check everything a reader meets at one position."""
    shown = page.evaluate(SHOWN, explorer.name)
    view = explorer.view(position)
    assert shown["drawing"] == page.evaluate(PARSED, view.svg), position
    assert shown["alt"] == view.alt
    texts = [control.text(position[control.name]) for control in explorer.controls]
    assert shown["texts"] == shown["spoken"] == texts
    assert shown["frame"] == list(explorer.positions()).index(position)
    assert shown["cells"] == [
        f"{x:.6g}" if isinstance(x, float) else str(x) for row in view.rows for x in row
    ]


@pytest.mark.parametrize("demo", ["wave", "turn"])
def test_every_position_of_each_slider_shows_its_frame(
    demo: str, request: pytest.FixtureRequest, open_page: Open
) -> None:
    explorer: Explorer = request.getfixturevalue(demo)
    page = open_page()
    shows(page, explorer, explorer.default)
    for position in explorer.positions():
        for control in explorer.controls:
            index = control.choices(position).index(position[control.name])
            page.evaluate(MOVE, [explorer.name, control.name, index])
        shows(page, explorer, position)


def test_arrow_keys_move_a_focused_slider(open_page: Open, wave: Explorer) -> None:
    page = open_page()
    page.get_by_role("slider", name="cycles").focus()
    page.keyboard.press("ArrowRight")
    shows(page, wave, {"amplitude": 3, "frequency": 3})
    page.keyboard.press("End")
    shows(page, wave, {"amplitude": 3, "frequency": 8})
    page.keyboard.press("Home")
    shows(page, wave, {"amplitude": 3, "frequency": 1})


def test_a_dependent_slider_is_clamped_and_keeps_its_value_where_it_can(
    open_page: Open, turn: Explorer
) -> None:
    page = open_page("#turn:workers=7,step=6")
    page.evaluate(MOVE, ["turn", "workers", 1])
    shows(page, turn, {"workers": 4, "step": 4})
    assert page.locator("[data-control=step] input").get_attribute("max") == "4"
    page.evaluate(MOVE, ["turn", "workers", 2])
    shows(page, turn, {"workers": 7, "step": 4})


def test_the_address_keeps_the_state_of_both_explorers(
    open_page: Open, wave: Explorer, turn: Explorer
) -> None:
    page = open_page()
    page.evaluate(MOVE, ["wave", "amplitude", 7])
    page.wait_for_function("location.hash === '#wave:amplitude=8,frequency=2'")
    page.evaluate(MOVE, ["turn", "step", 3])
    address = "#turn:workers=4,step=3&wave:amplitude=8,frequency=2"
    page.wait_for_function("(hash) => location.hash === hash", arg=address)
    assert page.evaluate("history.length") == 2  # about:blank and this page: no entry a move
    page.reload()
    shows(page, wave, {"amplitude": 8, "frequency": 2})
    shows(page, turn, {"workers": 4, "step": 3})


def test_a_shared_link_opens_at_its_explorer(open_page: Open, turn: Explorer) -> None:
    page = open_page("#turn:workers=7,step=3")
    shows(page, turn, {"workers": 7, "step": 3})
    page.wait_for_function(
        "Math.abs(document.querySelector('[data-name=turn]').getBoundingClientRect().top) < 200"
    )


def test_a_link_on_the_page_moves_the_explorer(open_page: Open, turn: Explorer) -> None:
    page = open_page()
    page.get_by_text("seven").click()
    page.wait_for_function("document.querySelector('[data-name=turn] output').textContent === '7'")
    shows(page, turn, {"workers": 7, "step": 2})


def test_section_anchors_keep_working(open_page: Open, turn: Explorer) -> None:
    page = open_page("#last")
    assert page.evaluate("scrollY") > 0
    page.evaluate(MOVE, ["turn", "step", 2])
    page.evaluate("location.hash = 'first'")
    shows(page, turn, {"workers": 4, "step": 2})
    page.wait_for_timeout(300)
    page.evaluate("location.hash = 'last'")
    shows(page, turn, {"workers": 4, "step": 2})


@pytest.mark.parametrize(
    "address", ["#turn:", "#turn:workers=99,step", "#turn:workers=%E0%A4%A,x=1", "#nobody:a=1&:&"]
)
def test_a_mangled_address_shows_the_default(open_page: Open, turn: Explorer, address: str) -> None:
    shows(open_page(address), turn, turn.default)


def test_play_runs_to_the_end_and_stops(open_page: Open, turn: Explorer) -> None:
    page = open_page()
    page.clock.install()
    page.reload()
    button = page.get_by_role("button", name="Play step")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    page.clock.run_for(800)
    shows(page, turn, {"workers": 4, "step": 2})
    page.clock.run_for(5000)
    shows(page, turn, {"workers": 4, "step": 4})
    assert button.get_attribute("aria-pressed") == "false"
    assert page.locator("[data-name=turn] .mlsys-live").inner_text() == "Worker 0 of 4 holds it."
    button.click()
    shows(page, turn, {"workers": 4, "step": 0})
    page.evaluate(MOVE, ["turn", "step", 1])  # a hand on the slider ends the play
    page.clock.run_for(5000)
    shows(page, turn, {"workers": 4, "step": 1})


def test_play_takes_single_steps_for_readers_who_prefer_less_motion(
    open_page: Open, turn: Explorer
) -> None:
    page = open_page(reduced_motion="reduce")
    page.clock.install()
    page.reload()
    page.get_by_role("button", name="Play step").click()
    page.clock.run_for(5000)
    shows(page, turn, {"workers": 4, "step": 2})


def test_without_javascript_the_default_stands_there(open_page: Open, wave: Explorer) -> None:
    page = open_page(java_script_enabled=False)
    assert page.locator("[data-name=wave] svg").count() == 2
    assert page.locator("[data-name=wave] svg").first.is_visible()
    assert not page.locator("[data-name=wave] input").first.is_visible()
    assert page.get_by_text("The sliders need JavaScript").first.is_visible()
    assert page.locator("[data-name=wave] td").count() == 10


def test_with_javascript_its_absence_is_not_mentioned(open_page: Open) -> None:
    assert open_page().get_by_text("The sliders need JavaScript").count() == 0


def test_on_a_phone_nothing_overflows_and_panels_stack(open_page: Open) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = [svg.bounding_box() for svg in page.locator("[data-name=wave] svg").all()]
    assert boxes[0] and boxes[1]
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    for touched in page.locator(".mlsys input, .mlsys button, .mlsys summary").all():
        box = touched.bounding_box()
        assert box and box["height"] >= 44
    text = page.locator("[data-name=wave] svg text").first.bounding_box()
    assert text and text["height"] >= 9


def test_on_a_wide_screen_panels_stand_side_by_side(open_page: Open) -> None:
    page = open_page(viewport={"width": 900, "height": 800})
    boxes = [svg.bounding_box() for svg in page.locator("[data-name=wave] svg").all()]
    assert boxes[0] and boxes[1]
    assert boxes[0]["y"] == boxes[1]["y"]


@pytest.mark.parametrize(
    ("theme", "blue", "sky", "ink"),
    [
        ("light", "rgb(0, 114, 178)", "rgb(86, 180, 233)", "rgb(31, 35, 40)"),
        ("dark", "rgb(74, 168, 224)", "rgb(154, 212, 245)", "rgb(230, 232, 235)"),
    ],
)
def test_colors_follow_the_theme(
    open_page: Open, theme: str, blue: str, sky: str, ink: str
) -> None:
    """The theme's own style sheet is loaded, and its pale card must not win in the dark."""
    spec = find_spec("pydata_sphinx_theme")
    assert spec and spec.origin
    [sheet] = Path(spec.origin).parent.rglob("static/styles/pydata-sphinx-theme.css")
    page = open_page(theme=theme, head=f'<link rel="stylesheet" href="{sheet.as_uri()}">')

    def computed(selector: str, name: str) -> str:
        code = "(e, name) => getComputedStyle(e)[name]"
        value: str = page.locator(f"[data-name=wave] {selector}").first.evaluate(code, name)
        return value

    assert computed("svg path[style*=blue]", "stroke") == blue
    assert computed("svg pattern rect", "fill") == sky
    assert computed("svg text", "fill") == ink
    assert computed("th", "color") == ink
    background = "(e) => getComputedStyle(e).backgroundColor"
    assert page.locator(".text_html").first.evaluate(background) == "rgba(0, 0, 0, 0)"
    if theme == "dark":  # what is not ours keeps the theme's card
        assert page.locator("#other").evaluate(background) != "rgba(0, 0, 0, 0)"


def test_two_explorers_of_one_name_are_reported(
    browser: Browser, turn: Explorer, printed: Path
) -> None:
    path = printed / "twice.html"
    path.write_text(f"<!doctype html>{HEAD}{turn.page()}{turn.page()}", encoding="utf-8")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    page.close()
    assert said == ["two explorers on this page are named turn"]
