// Paper is white: a page is printed in the light theme, whatever the screen shows.
{
  const page = document.documentElement;
  let onScreen = "light";
  matchMedia("print").addEventListener("change", (print) => {
    if (print.matches) {
      onScreen = page.dataset.theme;
      page.dataset.theme = "light";
    } else {
      page.dataset.theme = onScreen;
    }
  });
}
