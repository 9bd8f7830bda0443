// Draws the charts that the page describes as data, in the reader's colour scheme, and lets a recipe be hidden.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const hidden = new Set();
  const dark = matchMedia("(prefers-color-scheme: dark)");
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

  function draw() {
    const styles = getComputedStyle(document.documentElement);
    for (const [id, figure] of Object.entries(figures)) {
      const { data, layout } = paint(figure, styles);
      for (const trace of data) trace.visible = !hidden.has(trace.legendgroup);
      layout.font = { ...layout.font, family: styles.getPropertyValue("--sans").trim() };
      Plotly.react(id, data, layout, {
        responsive: true,
        displaylogo: false,
        modeBarButtons: [["toImage", "resetScale2d"]],
      });
    }
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
  dark.addEventListener("change", draw);
  draw();
})();
