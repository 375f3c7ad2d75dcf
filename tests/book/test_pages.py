"""Each page of the built book, in a real browser whose network ends at the site.

The tests of this file share the page that they look at, so each leaves it as it was.
"""

from __future__ import annotations

from .conftest import seen

# Letters of less contrast than this are hard to read (WCAG 2.2, criterion 1.4.3, level AA);
# large ones may have 3.
WANTED_CONTRAST = 4.5
LARGE_CONTRAST = 3.0

FAINT_TEXT = """([wanted, large]) => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const part = v => (v /= 255, v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const over = (top, under) => {
    const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map(i => a * top[i] + (1 - a) * under[i]);
  };
  const behind = node => {
    const layers = [];
    for (let n = node; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] > 0) layers.push(c);
      if (c.length === 3) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const found = new Set();
  for (const node of document.querySelectorAll('.bd-article *, .bd-sidebar-primary nav *')) {
    const own = [...node.childNodes].some(c => c.nodeType === 3 && c.textContent.trim());
    const skipped = node.closest('mjx-container, script, style, noscript');
    if (!own || skipped || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const svg = node.closest('svg') !== null;
    const under = behind(node);
    const ink = parse(svg ? style.fill : style.color);
    if (ink.length < 3) continue;
    const [a, b] = [light(over(ink, under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    const who = `${node.tagName}.${node.getAttribute('class')}`;
    const words = node.textContent.trim().slice(0, 30);
    if (ratio < (isLarge ? large : wanted)) found.add(`${who} ${ratio.toFixed(2)} ${words}`);
  }
  return [...found];
}"""

THEME = "document.documentElement.dataset.theme"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"

LIGHT_FRAMES = """() => [...document.querySelectorAll('.cell_output .output')].filter(
  node => Math.min(...getComputedStyle(node).backgroundColor.match(/[\\d.]+/g).slice(0, 3)) > 128
).map(node => node.innerText.slice(0, 60))"""

WIDE = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide <= 0) return [];
  const beyond = [...document.querySelectorAll('main *')].filter(
    n => n.getBoundingClientRect().right > innerWidth + 1);
  return [`${wide} px too wide`, ...beyond.slice(0, 5).map(n => n.outerHTML.slice(0, 100))];
}"""

PICTURES_WITHOUT_WORDS = """() => {
  const decoration = '[aria-hidden=true], [role=presentation], button, mjx-container';
  const hidden = n => n.closest(decoration) !== null;
  const named = n => n.getAttribute('aria-label') || n.getAttribute('aria-labelledby') ||
    n.querySelector(':scope > title');
  const images = [...document.querySelectorAll('main img')].filter(n => !n.alt.trim());
  const drawings = [...document.querySelectorAll('main svg')].filter(n =>
    !n.parentElement.closest('svg') && n.checkVisibility() &&
    !(n.getAttribute('role') === 'img' && named(n)) && !n.closest('[role=img][aria-label]'));
  return [...images, ...drawings].filter(n => !hidden(n)).map(n => n.outerHTML.slice(0, 120));
}"""


TITLE = ".bd-article h1"
PRINTED_TITLE = "#jb-print-docs-body h1"  # the theme prints a title of its own


@seen("light", "dark", "phone")
def test_a_page_opens_without_errors_and_asks_nothing_of_another_host(visit):
    assert visit.page.locator(TITLE).count() == 1
    assert visit.foreign == []
    assert visit.errors == []


@seen("phone")
def test_a_page_fits_a_phone(visit):
    assert visit.page.evaluate(WIDE) == []


@seen("light", "dark")
def test_text_can_be_read_in_both_themes(visit, look):
    assert visit.page.evaluate(THEME) == look
    assert visit.page.evaluate(FAINT_TEXT, [WANTED_CONTRAST, LARGE_CONTRAST]) == []


@seen("light", "dark")
def test_the_dark_theme_is_dark_and_the_light_one_light(visit, look):
    shade = visit.page.evaluate(BACKGROUND).removeprefix("rgb(").rstrip(")").split(",")
    if look == "light":
        assert min(int(part) for part in shade) > 240
    else:
        assert max(int(part) for part in shade) < 48


@seen("dark")
def test_in_the_dark_no_output_stands_in_a_light_frame(visit):
    assert visit.page.evaluate(LIGHT_FRAMES) == []


@seen("light")
def test_every_picture_has_words_for_who_cannot_see_it(visit):
    assert visit.page.evaluate(PICTURES_WITHOUT_WORDS) == []


@seen("light")
def test_mathematics_is_drawn_and_can_be_heard(visit):
    page = visit.page
    formulas = page.locator(".bd-article .math").count()
    assert page.locator(".bd-article mjx-container").count() >= formulas
    assert page.locator("mjx-container mjx-assistive-mml math").count() >= formulas
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0


@seen("still")
def test_without_javascript_the_text_and_the_default_figures_are_there(visit):
    assert visit.page.locator(TITLE).is_visible()
    for explorer in visit.page.locator(".mlsys-explorer").all():
        assert explorer.locator("svg").first.is_visible()


@seen("light", "dark")
def test_a_page_prints_as_black_on_white_without_the_navigation(visit, look):
    visit.page.emulate_media(media="print", color_scheme=look)
    visit.page.wait_for_function(f"{THEME} === 'light'")
    assert not visit.page.locator(".bd-sidebar-primary").is_visible()
    assert visit.page.locator(PRINTED_TITLE).is_visible()
    assert visit.page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert visit.page.evaluate(FAINT_TEXT, [WANTED_CONTRAST, LARGE_CONTRAST]) == []
    visit.page.emulate_media(media="screen", color_scheme=look)
    visit.page.wait_for_function(f"{THEME} === '{look}'")
