// Completion in the editor of expressions: a list below the field, which arrows choose from, Enter and Tab take, Escape closes.
// The field stays an ordinary text field, so whoever has no script or wants no list loses nothing.
"use strict";

(() => {
  for (const field of document.querySelectorAll("textarea[data-complete]")) attach(field);

  function attach(field) {
    const list = document.getElementById(field.getAttribute("aria-controls"));
    const says = document.getElementById(field.id + "-says");
    let words = [], replace = 0, chosen = -1, asked = 0, timer = 0;

    function close() {
      words = []; chosen = -1;
      list.hidden = true;
      list.replaceChildren();
      field.removeAttribute("aria-activedescendant");
    }

    function choose(i) {
      chosen = (i + words.length) % words.length;
      [...list.children].forEach((o, n) => o.setAttribute("aria-selected", String(n === chosen)));
      field.setAttribute("aria-activedescendant", list.children[chosen].id);
      list.children[chosen].scrollIntoView({ block: "nearest" });
    }

    function take(i) {
      const at = field.selectionStart;
      field.setRangeText(words[i].text, at - replace, at, "end");
      close();
      field.focus();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }

    async function ask(wanted) {
      const at = field.selectionStart, before = field.value.slice(0, at), mine = ++asked;
      if (!wanted && !/[A-Za-z0-9_.]$/.test(before)) return close();
      const answer = await fetch(field.dataset.complete + "&before=" + encodeURIComponent(before));
      if (!answer.ok || mine !== asked || document.activeElement !== field) return;
      const got = await answer.json();
      close();
      if (got.words.length === 0) { says.textContent = wanted ? "Nothing fits here." : ""; return; }
      words = got.words; replace = got.replace;
      list.replaceChildren(...words.map((w, i) => {
        const o = document.createElement("li"), detail = document.createElement("span");
        o.id = list.id + "-" + i;
        o.setAttribute("role", "option");
        o.setAttribute("aria-selected", "false");
        o.textContent = w.text;
        detail.className = "muted";
        detail.textContent = " " + w.detail;
        o.append(detail);
        o.addEventListener("mousedown", (e) => { e.preventDefault(); take(i); });
        return o;
      }));
      list.hidden = false;
      says.textContent = words.length + (words.length === 1 ? " suggestion" : " suggestions") + ". Arrow keys choose.";
    }

    field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 90, false); });
    field.addEventListener("blur", close);
    field.addEventListener("keydown", (e) => {
      if (e.key === " " && e.ctrlKey) { e.preventDefault(); ask(true); return; }
      if (list.hidden) return;
      switch (e.key) {
        case "ArrowDown": e.preventDefault(); choose(chosen + 1); break;
        case "ArrowUp": e.preventDefault(); choose(chosen < 0 ? words.length - 1 : chosen - 1); break;
        case "Enter": case "Tab": if (chosen >= 0) { e.preventDefault(); take(chosen); } else close(); break;
        case "Escape": e.preventDefault(); close(); break;
      }
    });
  }
})();
