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
    return;
  }
  once(e);
}, true);

// once sends a form once, however often its button is pressed: who is in a hurry presses twice, and a second invitation or
// token would take the place of the first on the page. After a while nobody presses by mistake any more.
function once(e) {
  const form = e.target;
  if (form.getAttribute("method") !== "post") return;
  if (form.dataset.sent) {
    e.preventDefault();
    e.stopImmediatePropagation();
    return;
  }
  form.dataset.sent = "yes";
  if (e.submitter) e.submitter.setAttribute("aria-busy", "true");
  setTimeout(() => rest(form), form.hasAttribute("data-stays") ? 2000 : 10000);
}

function rest(form) {
  delete form.dataset.sent;
  for (const b of form.querySelectorAll("[aria-busy]")) b.removeAttribute("aria-busy");
}

addEventListener("pageshow", () => { // also when somebody comes back to a page as they left it
  for (const form of document.querySelectorAll("form[data-sent]")) rest(form);
});

// What is looked at again and again is put in place only when it has changed, never under a text that is being copied, and the
// keyboard stays where it was: else a link that Tab has reached would be gone every second.
const seen = new Map(), reached = "a, button, input, select, summary";
let place = null;
document.addEventListener("htmx:beforeSwap", (e) => {
  const { target, xhr, requestConfig } = e.detail, chosen = getSelection(), at = document.activeElement;
  if (xhr.status !== 200 || !target.id) return;
  const again = (requestConfig.elt.getAttribute("hx-trigger") || "").startsWith("every");
  if (again && (seen.get(target.id) === xhr.responseText || (!chosen.isCollapsed && target.contains(chosen.anchorNode)))) {
    e.detail.shouldSwap = false;
    return;
  }
  seen.set(target.id, xhr.responseText);
  place = again && at && at !== target && target.contains(at) ? { id: target.id, at: [...target.querySelectorAll(reached)].indexOf(at) } : null;
});
document.addEventListener("htmx:afterSettle", () => {
  const box = place && document.getElementById(place.id), at = box && box.querySelectorAll(reached)[place.at];
  if (at && !box.contains(document.activeElement)) at.focus({ preventScroll: true });
  place = null;
});

// What has changed in place is told in one short line to whoever does not see it: a list that is read out whole each time
// could not be worked beside. Of what is looked at again only what is new counts.
let known = new Set();
const rows = (box) => [...box.querySelectorAll("tbody tr, .timeline > li, .grid > .card")];
function told(box, again) {
  if (box.dataset.says !== undefined) return box.dataset.says;
  const shown = rows(box), none = box.querySelector(".empty");
  const n = again ? shown.filter((r) => !known.has(r.textContent)).length : shown.length;
  if (again) return n === 0 ? "" : n + " new";
  return n === 0 && none ? none.textContent : n + " shown";
}
document.addEventListener("htmx:beforeSwap", (e) => { known = new Set(rows(e.detail.target).map((r) => r.textContent)); });
document.addEventListener("htmx:afterSwap", (e) => {
  const box = document.getElementById(e.detail.target.id), region = document.getElementById("says"), asks = e.detail.requestConfig.elt;
  if (!box || !region) return;
  const text = told(box, (asks.getAttribute("hx-trigger") || "").startsWith("every"));
  if (text && (box.dataset.says === undefined || text !== region.textContent)) region.textContent = text;
});

// A page that asks again by itself says so: a browser that was left open is signed out in time all the same.
document.addEventListener("htmx:configRequest", (e) => {
  if ((e.detail.elt.getAttribute("hx-trigger") || "").startsWith("every")) e.detail.headers["Muster-Again"] = "yes";
});

// Whoever looks at a page that asks again by itself is told when nobody answers: what it shows may be old.
function silent(is) {
  const said = document.getElementById("silent");
  if (!is && said) said.remove();
  if (!is || said) return;
  const note = document.createElement("div"), text = document.createElement("p");
  note.id = "silent";
  note.className = "note warn";
  note.setAttribute("role", "alert");
  text.textContent = "Muster does not answer. What this page shows may be old; it asks again by itself.";
  note.append(text);
  document.getElementById("main").prepend(note);
}
document.addEventListener("htmx:sendError", () => silent(true));
document.addEventListener("htmx:timeout", () => silent(true));
document.addEventListener("htmx:afterRequest", (e) => { if (e.detail.xhr && e.detail.xhr.status > 0) silent(e.detail.xhr.status === 502 || e.detail.xhr.status === 504); });

// Of tabs that do not all fit, the one that is shown can be seen.
addEventListener("load", () => {
  for (const at of document.querySelectorAll(".tabs [aria-current]")) {
    const box = at.parentElement, where = at.getBoundingClientRect();
    box.scrollLeft += where.left - box.getBoundingClientRect().left - (box.clientWidth - where.width) / 2;
  }
});

// A column of boxes gets one for all of them.
function chooseAll() {
  for (const head of document.querySelectorAll("th[data-choose-all]:not(:has(input))")) {
    const boxes = () => head.closest("table").querySelectorAll("tbody input[type=checkbox]"), all = document.createElement("input");
    if (boxes().length === 0) continue;
    all.type = "checkbox";
    all.setAttribute("aria-label", head.dataset.chooseAll);
    all.addEventListener("change", () => { for (const b of boxes()) b.checked = all.checked; });
    head.replaceChildren(all);
  }
}
addEventListener("load", chooseAll);

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// took writes seconds as people say them.
function took(s) {
  if (s == null) return "";
  if (s < 1) return Math.round(s * 1000) + " ms";
  if (s < 60) return (s < 10 ? s.toFixed(1) : Math.round(s)) + " s";
  if (s < 3600) return Math.round(s / 60) + " min";
  return (s < 36000 ? (s / 3600).toFixed(1) : Math.round(s / 3600)) + " h";
}

function minute(t) {
  return new Date(t * 1000).toISOString().slice(0, 16).replace("T", " ");
}

// charts draws what was done, and how long changes took, over the span and for the application that are chosen.
function charts(card) {
  const done = document.getElementById("activity"), trouble = document.getElementById("trouble"), lag = document.getElementById("lag"), none = document.getElementById("lag-none");
  const table = document.querySelector("#activity-table tbody"), choice = document.getElementById("charted");
  let drawn = [], shown = "24h", asked = 0;

  function draw(box, height, y, series, data) {
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const days = shown === "24h" ? [11, 16] : [5, 10];
    drawn.push(new window.uPlot({
      width: box.clientWidth, height, tzDate: (t) => window.uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
      scales: { x: { range: (u, min, max) => { const piece = data[0][1] - data[0][0]; return [min - piece / 2, max + piece / 2]; } }, y: y.scale },
      axes: [{ ...axis, values: (u, at) => at.map((t) => new Date(t * 1000).toISOString().slice(...days)) }, { ...axis, size: 64, values: y.values }],
      series: [{ label: "from", value: (u, t) => (t == null ? "" : minute(t)) }, ...series],
    }, data, box));
  }

  function fill(data) {
    table.replaceChildren(...data.times.map((t, i) => {
      const row = document.createElement("tr");
      for (const v of [minute(t), data.success[i], data.warning[i], data.failure[i], took(data.lag[i]), took(data.worst[i])]) {
        const cell = document.createElement("td");
        cell.textContent = v;
        row.append(cell);
      }
      return row;
    }));
  }

  async function show() {
    const mine = ++asked;
    const answer = await fetch(card.dataset.from + "?span=" + encodeURIComponent(shown) + "&app=" + encodeURIComponent(choice ? choice.value : ""));
    if (!answer.ok || mine !== asked) return;
    const data = await answer.json();
    fill(data);
    for (const old of drawn) old.destroy();
    drawn = [];
    const counts = { scale: { range: (u, min, max) => [0, Math.max(max, 4)] } };
    const bar = (label, name, size, align) => ({ label, fill: colour(name), width: 0, paths: window.uPlot.paths.bars({ size: [size, 40], align }), points: { show: false }, value: (u, v) => v });
    draw(done, 200, counts, [bar("done", "--good", 0.7, 0)], [data.times, data.success]);
    draw(trouble, 140, counts, [bar("failed", "--bad", 0.35, -1), bar("warnings", "--warn", 0.35, 1)], [data.times, data.failure, data.warning]);
    none.hidden = data.worst.some((v) => v != null);
    lag.hidden = !none.hidden;
    if (lag.hidden) return;
    const line = (label, name) => ({ label, stroke: colour(name), width: 2, spanGaps: true, points: { show: true, size: 6, fill: colour(name) }, value: (u, v) => took(v) });
    const low = (v) => (v == null ? null : Math.max(v, 0.001)); // a logarithm has no zero
    draw(lag, 200, { scale: { distr: 3 }, values: (u, at) => at.map((v) => (v == null ? "" : took(v))) }, [line("on average", "--accent"), line("at worst", "--warn")], [data.times, data.lag.map(low), data.worst.map(low)]);
  }

  const buttons = card.querySelectorAll("button[data-span]");
  for (const b of buttons) {
    b.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === b));
      shown = b.dataset.span;
      show();
    });
  }
  if (choice) choice.addEventListener("change", show);
  show();
  // What it is drawn in belongs to the width and the colours of the moment.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  let width = done.clientWidth;
  addEventListener("resize", () => {
    if (done.clientWidth !== width) show();
    width = done.clientWidth;
  });
}

addEventListener("load", () => {
  const card = document.getElementById("charts");
  if (card && window.uPlot) charts(card);
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

// A field is marked as wrong while something is said below it.
document.addEventListener("htmx:oobAfterSwap", (e) => {
  const said = document.getElementById(e.detail.target.id);
  const field = said && said.dataset.wrong && document.getElementById(said.dataset.wrong);
  if (!field) return;
  if (said.children.length > 0) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
});

// The credentials show what the kind that is chosen has.
document.addEventListener("change", (e) => {
  if (e.target.name !== "auth.type") return;
  for (const field of document.querySelectorAll("[data-auth]")) field.hidden = !field.dataset.auth.split(" ").includes(e.target.value);
});
