// Shows what made the chosen box, and lights up all that it stands on and all that came of it.
(() => {
  "use strict";
  const { nodes, edges } = JSON.parse(document.getElementById("lineage").textContent);
  const drawing = document.querySelector("svg.lineage");
  const panel = document.getElementById("chosen");
  const boxes = new Map([...drawing.querySelectorAll("[data-node]")].map((box) => [box.dataset.node, box]));
  const sources = new Map();
  const readers = new Map();
  for (const [source, reader] of edges) {
    for (const [map, from, to] of [[readers, source, reader], [sources, reader, source]]) {
      const key = String(from);
      if (!map.has(key)) map.set(key, []);
      map.get(key).push(String(to));
    }
  }
  let chosen = null;

  function closure(start, next) {
    const found = new Set([start]);
    for (const node of found) for (const other of next.get(node) || []) found.add(other);
    return found;
  }

  function describe(id) {
    const title = document.createElement("h3");
    title.textContent = nodes[id].title;
    const list = document.createElement("dl");
    list.className = "facts";
    for (const [name, value] of Object.entries(nodes[id].details)) {
      const item = document.createElement("div");
      for (const [tag, text] of [["dt", name], ["dd", value]]) {
        const element = document.createElement(tag);
        element.textContent = text;
        item.append(element);
      }
      list.append(item);
    }
    panel.replaceChildren(title, list);
    panel.hidden = false;
  }

  // A line belongs to the chosen box if it leads to it from one of its sources, or from it to what came of it.
  function choose(id) {
    chosen = id;
    drawing.classList.toggle("choosing", id !== null);
    const above = id === null ? new Set() : closure(id, sources);
    const below = id === null ? new Set() : closure(id, readers);
    for (const [number, box] of boxes) {
      box.classList.toggle("on", number === id);
      box.classList.toggle("near", above.has(number) || below.has(number));
      box.setAttribute("aria-pressed", String(number === id));
    }
    for (const line of drawing.querySelectorAll("[data-source]")) {
      const ends = line.dataset.readers.split(" ");
      const near = [above, below].some((set) => set.has(line.dataset.source) && ends.some((end) => set.has(end)));
      line.classList.toggle("near", near);
    }
    if (id === null) panel.hidden = true;
    else describe(id);
  }

  for (const [id, box] of boxes) {
    box.addEventListener("click", () => choose(chosen === id ? null : id));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(chosen === id ? null : id);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") choose(null);
  });
  // Where the drawing is wider than the window, begin at what was asked about.
  const subject = drawing.querySelector(".subject");
  const frame = drawing.closest(".scroll");
  if (subject && frame.scrollWidth > frame.clientWidth) {
    const box = subject.getBoundingClientRect();
    frame.scrollLeft += box.left + box.width / 2 - frame.getBoundingClientRect().left - frame.clientWidth / 2;
  }
})();
