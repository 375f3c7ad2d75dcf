// Two buttons that show all rows, or only those that are here. Without script all rows show.
(() => {
  const bar = document.querySelector(".sheet-filter");
  const choices = [["all", "All lines"], ["here", "Here now"]];
  const buttons = choices.map(([choice, text]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.onclick = () => show(choice);
    return button;
  });
  function show(choice) {
    document.documentElement.dataset.sheet = choice;
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", choices[i][0] === choice));
  }
  bar.replaceChildren(...buttons);
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Which lines to show");
  show("all");
  // A link to a row that the filter hides opens the whole sheet.
  window.addEventListener("hashchange", () => show("all"));
  // Formulas grow when they are set, and push the row that was asked for out of sight.
  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  });
})();
