// The report's own script: opens what a link leads to, filters, sorts, and, live, takes what is new.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);

  // --- links lead into closed parts ---
  const show = () => {
    let one = null;
    try { one = $(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!one) return;
    if (one.closest("[hidden]")) { $("filter").value = $("filter-state").value = ""; filter(); }
    for (let box = one; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
    const summary = one.tagName === "DETAILS" && one.querySelector("summary");
    if (summary) { one.scrollIntoView({ block: "center" }); summary.focus({ preventScroll: true }); }
  };
  addEventListener("hashchange", show);
  document.addEventListener("click", (event) => {  // a second click on the same link too
    const link = event.target.closest && event.target.closest('a[href^="#step-"]');
    if (link && link.getAttribute("href") === location.hash) setTimeout(show);
  });

  // --- filter ---
  const filter = () => {
    const field = $("filter");
    if (!field) return;
    const text = field.value.trim().toLowerCase(), state = $("filter-state").value;
    let count = 0;
    for (const step of document.querySelectorAll(".step")) {
      const fits = step.dataset.name.includes(text) && (!state || step.dataset.state === state);
      step.hidden = !fits;
      count += fits;
    }
    for (const family of document.querySelectorAll(".family")) {
      family.hidden = !family.querySelector(".step:not([hidden])");
      if (text || state) family.open = true;
    }
    $("filter-count").textContent = text || state ? `${count} steps` : "";
  };

  // --- sort ---
  const sort = (table, column, heading) => {
    const up = heading.getAttribute("aria-sort") === "descending";
    for (const one of heading.parentElement.children) one.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => {
      const cell = row.cells[column], number = parseFloat(cell.dataset.value ?? cell.textContent);
      return Number.isNaN(number) ? cell.textContent : number;
    };
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  };

  const prepare = () => {
    for (const box of document.querySelectorAll(".filter[hidden]")) {
      box.hidden = false;
      box.addEventListener("input", filter);
    }
    for (const table of document.querySelectorAll("table.sortable:not([data-ready])")) {
      table.dataset.ready = "";
      [...table.tHead.rows[0].cells].forEach((heading, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = heading.textContent;
        heading.replaceChildren(button);
        heading.setAttribute("aria-sort", "none");
        button.addEventListener("click", () => sort(table, column, heading));
      });
    }
  };
  prepare();
  show();

  // --- live ---
  if (!("live" in document.body.dataset)) return;
  const took = (seconds) => seconds < 60 ? `${seconds.toFixed(0)} s`
    : seconds < 3600 ? `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60 % 60)} min`;
  const clock = setInterval(() => {
    for (const one of document.querySelectorAll("[data-since]"))
      one.textContent = took(Math.max(0, (Date.now() - Number(one.dataset.since)) / 1000));
  }, 1000);
  const take = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const held = document.activeElement, focus = held && (held.id || (held.closest("details") || {}).id);
    const typed = $("filter") && $("filter").value, chosen = $("filter-state") && $("filter-state").value;
    const opened = [...document.querySelectorAll("details[open]")].map((one) => one.id);
    const old = new Map([...document.querySelectorAll("[data-part]")].map((one) => [one.id, one]));
    let before = null;
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const known = old.get(part.id);
      old.delete(part.id);
      for (const id of opened) { const one = part.querySelector(`#${CSS.escape(id)}`); if (one) one.open = true; }
      const next = document.importNode(part, true);
      if (known) known.replaceWith(next);
      else if (before && before.parentElement.id === "main") before.after(next);
      else $("main").prepend(next);
      before = next;
    }
    for (const gone of old.values()) gone.remove();
    document.title = fresh.title;
    document.body.dataset.status = fresh.body.dataset.status;
    prepare();
    if (typed || chosen) { $("filter").value = typed; $("filter-state").value = chosen; filter(); }
    const again = focus && $(focus);
    if (again) (again.tagName === "DETAILS" ? again.querySelector("summary") : again).focus({ preventScroll: true });
  };
  const stream = new EventSource("events");
  stream.addEventListener("page", (event) => take(JSON.parse(event.data)));
  stream.addEventListener("said", (event) => { $("said").textContent = event.data; });
  stream.addEventListener("end", () => { stream.close(); clearInterval(clock); });
})();
