// The page's half of an explorer: sliders choose one of the frames that were drawn ahead.
// data.tree   [list, child, child, …] for each control in turn; the last children are frames
// data.lists  the values open to a control: [key in the address, text] each
// data.frames [description, drawing, table] each, as numbers of lines
(() => {
  "use strict";
  const root = document.currentScript.parentElement;
  const name = root.dataset.name;
  const find = (selector) => root.querySelector(selector);
  const data = JSON.parse(find("script").textContent);
  const text = (numbers) => numbers.map((n) => data.lines[n]).join("\n");
  const rows = [...root.querySelectorAll(".mlsys-control")].map((row) => ({
    name: row.dataset.control,
    slider: row.querySelector("input"),
    output: row.querySelector("output"),
    button: row.querySelector("button"),
    key: "",
    index: +row.querySelector("input").value,
    choices: [],
  }));
  let frame = +root.dataset.frame, saving = 0, ticking = 0;

  // Each control keeps its value if it is still there, else its place, else the last place.
  const settle = () => {
    let node = data.tree;
    for (const row of rows) {
      row.choices = data.lists[node[0]];
      const kept = row.choices.findIndex((choice) => choice[0] === row.key);
      row.index = kept < 0 ? Math.min(row.index, row.choices.length - 1) : kept;
      const [key, shown] = row.choices[row.index];
      row.key = key;
      row.slider.max = row.choices.length - 1;
      row.slider.value = row.index;
      row.slider.setAttribute("aria-valuetext", shown);
      row.output.textContent = shown;
      node = node[row.index + 1];
    }
    return node;
  };
  const show = () => {
    const next = settle();
    if (next === frame) return;
    root.dataset.frame = frame = next;
    const [alt, drawing, table] = data.frames[frame];
    find(".mlsys-panels").innerHTML = text(drawing);
    find(".mlsys-panels").setAttribute("aria-label", text(alt));
    find("table").innerHTML = text(table);
    if (!ticking) find(".mlsys-live").textContent = text(alt);
  };

  // The address: #ring:workers=8,step=3&race:size=4, the explorer moved last in front.
  const states = () => location.hash.slice(1).split("&").filter((state) => state.includes(":"));
  const isMine = (state) => state.startsWith(name + ":");
  const save = () => {
    const mine = name + ":" + rows.map((row) => row.name + "=" + row.key).join(",");
    const others = states().filter((state) => !isMine(state));
    history.replaceState(history.state, "", "#" + [mine, ...others].join("&"));
  };
  const load = () => {
    const mine = states().find(isMine);
    if (!mine) return;
    for (const part of mine.slice(name.length + 1).split(",")) {
      const [control, key] = part.split("=");
      for (const row of rows) if (row.name === control) row.key = key;
    }
    stop();
    show();
  };
  const reveal = () => states().findIndex(isMine) === 0 && root.scrollIntoView();

  const move = (row, index) => {
    row.index = index;
    row.key = row.choices[index][0];
    show();
    clearTimeout(saving);
    saving = setTimeout(save, 200);
  };
  const stop = () => {
    clearInterval(ticking);
    ticking = 0;
    for (const row of rows) row.button?.setAttribute("aria-pressed", false);
  };
  const atEnd = (row) => row.index >= row.choices.length - 1;
  const play = (row) => {
    const playing = ticking;
    stop();
    if (playing) return;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      move(row, atEnd(row) ? 0 : row.index + 1);
      return;
    }
    if (atEnd(row)) move(row, 0);
    row.button.setAttribute("aria-pressed", true);
    ticking = setInterval(() => {
      move(row, row.index + 1);
      if (!atEnd(row)) return;
      stop();
      find(".mlsys-live").textContent = text(data.frames[frame][0]);
    }, 700);
  };

  for (const row of rows) {
    row.slider.addEventListener("input", () => { stop(); move(row, +row.slider.value); });
    row.button?.addEventListener("click", () => play(row));
  }
  if (document.querySelectorAll(`[data-name="${name}"]`).length > 1)
    console.error(`two explorers on this page are named ${name}`);
  settle();
  load();
  find(".mlsys-still").remove();
  find(".mlsys-controls").hidden = false;
  addEventListener("load", reveal);
  addEventListener("hashchange", () => { load(); reveal(); });
})();
