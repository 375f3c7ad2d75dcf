"""Each slider of each page moves what it stands beside, with no kernel behind it."""

from __future__ import annotations

from .conftest import seen

# What a reader sees of an explorer, without the words that only repeat the slider's value.
SHOWN = """slider => {
  const explorer = slider.closest('.mlsys-explorer') || slider.parentElement;
  return [...explorer.querySelectorAll('svg, canvas, img, table')].map(n => n.outerHTML).join('');
}"""
MOVE = """(slider, end) => {
  slider.value = slider[end];
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""


@seen("light")
def test_moving_a_slider_to_each_end_changes_the_figure(visit):
    for slider in visit.page.locator("input[type=range]").all():
        shown = []
        for end in ("min", "max"):
            slider.evaluate(MOVE, end)
            visit.page.wait_for_timeout(50)
            shown.append(slider.evaluate(SHOWN))
        label = slider.evaluate("n => n.labels?.[0]?.textContent || n.getAttribute('aria-label')")
        assert label, "a slider must say what it moves"
        assert shown[0] != shown[1], f"{label}: both ends show the same"
    assert visit.errors == []


@seen("light")
def test_a_slider_can_be_moved_from_the_keyboard(visit):
    for slider in visit.page.locator("input[type=range]").all():
        slider.evaluate(MOVE, "min")
        before = slider.input_value()
        slider.focus()
        visit.page.keyboard.press("ArrowRight")
        assert slider.input_value() != before
