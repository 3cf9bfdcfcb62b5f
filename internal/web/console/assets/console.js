// What pages do beyond links and forms: close menus, ask before what cannot be undone, draw charts.
"use strict";

document.addEventListener("click", (e) => {
  for (const open of document.querySelectorAll("details.more[open]")) {
    if (!open.contains(e.target)) open.open = false;
  }
});

document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.more[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

document.addEventListener("submit", (e) => {
  const ask = (e.submitter && e.submitter.dataset.confirm) || e.target.dataset.confirm;
  if (ask && !window.confirm(ask)) {
    e.preventDefault();
    e.stopImmediatePropagation();
  }
}, true);

document.addEventListener("change", (e) => {
  const form = e.target.closest("form[data-auto]");
  if (form && !e.target.matches("input[type=search]")) form.requestSubmit();
});

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function chart(box) {
  const table = document.querySelector("#" + box.id + "-table tbody");
  let drawn = null;
  let shown = "24h";
  async function show(span) {
    shown = span;
    const answer = await fetch(box.dataset.from + "?span=" + encodeURIComponent(span));
    if (!answer.ok) return;
    const data = await answer.json();
    if (table) {
      table.replaceChildren(...data.times.map((t, i) => {
        const row = document.createElement("tr");
        for (const v of [new Date(t * 1000).toISOString().slice(0, 16).replace("T", " "), data.success[i], data.warning[i], data.failure[i]]) {
          const cell = document.createElement("td");
          cell.textContent = v;
          row.append(cell);
        }
        return row;
      }));
    }
    if (drawn) drawn.destroy();
    const bars = window.uPlot.paths.bars({ size: [0.7, 40] });
    const line = (label, name) => ({ label, fill: colour(name), width: 0, paths: bars, points: { show: false }, value: (u, v) => v });
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    drawn = new window.uPlot({
      width: box.clientWidth, height: 210, tzDate: (t) => window.uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
      scales: { y: { range: (u, min, max) => [0, Math.max(max, 4)] } },
      axes: [{ ...axis, values: (u, at) => at.map((t) => new Date(t * 1000).toISOString().slice(...(span === "24h" ? [11, 16] : [5, 10]))) }, axis],
      series: [{ label: "from", value: (u, t) => (t == null ? "" : new Date(t * 1000).toISOString().slice(0, 16).replace("T", " ")) }, line("done", "--good"), line("warnings", "--warn"), line("failed", "--bad")],
    }, [data.times, data.success, data.warning, data.failure], box);
  }
  const buttons = document.querySelectorAll("button[data-span]");
  for (const b of buttons) {
    b.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === b));
      show(b.dataset.span);
    });
  }
  show(shown);
  // What it is drawn in belongs to the width and the colours of the moment.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(shown));
  let width = box.clientWidth;
  addEventListener("resize", () => {
    if (box.clientWidth !== width) show(shown);
    width = box.clientWidth;
  });
}

addEventListener("load", () => {
  const box = document.getElementById("activity");
  if (box && window.uPlot) chart(box);
});

// Whoever types a value of one kind means that kind.
document.addEventListener("input", (e) => {
  const way = document.querySelector(`#editor input[name=way][value="${CSS.escape(e.target.name)}"]`);
  if (way) way.checked = true;
});

// A table that is wider than its place is scrolled by keyboard too: where nothing in it can be reached, it can be itself.
function reachable() {
  for (const box of document.querySelectorAll(".table:not([role])")) {
    const needed = box.scrollWidth > box.clientWidth && !box.querySelector("a, button, input, select, summary");
    if (needed) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", reachable);
addEventListener("resize", reachable);
document.addEventListener("htmx:afterSettle", reachable);
