// Draws the charts that the page describes as data, in the reader's colour scheme and for the width of the screen; lets
// a recipe be hidden and a menu change what a chart shows.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const hidden = new Set();
  const chosen = new Map();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const token = /^var\(--([a-z0-9-]+)\)(?:\/([0-9.]+))?$/;

  // A string such as var(--series-1)/0.15 stands for a colour of the stylesheet and its opacity.
  function paint(value, styles) {
    if (Array.isArray(value)) return value.map((item) => paint(item, styles));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, paint(item, styles)]));
    }
    const found = typeof value === "string" && token.exec(value);
    if (!found) return value;
    const color = styles.getPropertyValue("--" + found[1]).trim();
    if (found[2] === undefined) return color;
    const parts = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
    return `rgba(${parts.join(",")},${found[2]})`;
  }

  // A chart may have further choices, and each of them another shape for narrow screens.
  function current(id) {
    const number = chosen.get(id) || 0;
    const figure = number ? figures[id].choices[number - 1] : figures[id];
    return (narrow.matches && figure.narrow) || figure;
  }

  function drawOne(id, styles) {
    const { data, layout } = paint(current(id), styles);
    for (const trace of data) trace.visible = !hidden.has(trace.legendgroup);
    layout.font = { ...layout.font, family: styles.getPropertyValue("--sans").trim() };
    const place = document.getElementById(id);
    place.style.height = `${layout.height}px`;
    Plotly.react(place, data, layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: narrow.matches ? false : "hover",
      modeBarButtons: [["toImage", "resetScale2d"]],
    });
  }

  function draw() {
    const styles = getComputedStyle(document.documentElement);
    for (const id of Object.keys(figures)) drawOne(id, styles);
  }

  for (const button of document.querySelectorAll("button[data-series]")) {
    button.addEventListener("click", () => {
      const name = button.dataset.series;
      if (!hidden.delete(name)) hidden.add(name);
      for (const other of document.querySelectorAll("button[data-series]")) {
        other.setAttribute("aria-pressed", String(!hidden.has(other.dataset.series)));
      }
      draw();
    });
  }
  for (const menu of document.querySelectorAll("select[data-chart]")) {
    menu.addEventListener("change", () => {
      chosen.set(menu.dataset.chart, Number(menu.value));
      drawOne(menu.dataset.chart, getComputedStyle(document.documentElement));
    });
  }
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);
  draw();
})();
