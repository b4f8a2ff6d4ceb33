// The list of samples: filters, order, keyboard. Rows are made as they come into view.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("index").textContent);
  // Columns of a sample: [dataset, model, method, name, text, tokens, shares, rise, mas, recovery, run, id]
  const [DATASET, MODEL, METHOD, NAME, TEXT, TOKENS, SHARES, RISE, , , RUN, ID] = Array(12).keys();
  const lists = [data.datasets, data.models, data.methods];
  const words = data.samples.map((row) => [lists[0][row[DATASET]], lists[1][row[MODEL]], lists[2][row[METHOD]], row[NAME], row[TEXT]].join("\n").toLowerCase());
  const PARTS = ["in", "cot", "out", "rest"];
  const BATCH = 100;
  const body = document.querySelector("#samples tbody");
  const fields = ["q", "dataset", "model", "method", "score", "low", "high"];
  const state = { sort: null, down: false, run: null, at: -1 };
  let found = [], shown = 0;

  const element = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const score = (value) => (value === null ? "–" : value.toFixed(3));

  function filter() {
    const q = byId("q").value.trim().toLowerCase();
    const chosen = [DATASET, MODEL, METHOD].map((column, i) => [column, byId(fields[1 + i]).value]).filter(([, value]) => value !== "");
    const column = RISE + Number(byId("score").value);
    const low = parseFloat(byId("low").value), high = parseFloat(byId("high").value);
    found = [];
    data.samples.forEach((row, i) => {
      if (chosen.some(([at, value]) => row[at] !== Number(value))) return;
      if (state.run !== null && row[RUN] !== state.run) return;
      const value = row[column];
      if (!Number.isNaN(low) && !(value !== null && value >= low)) return;
      if (!Number.isNaN(high) && !(value !== null && value <= high)) return;
      if (q && !words[i].includes(q)) return;
      found.push(i);
    });
    if (state.sort !== null) {
      const key = (i) => { const value = data.samples[i][state.sort]; return state.sort < 3 ? lists[state.sort][value] : value; };
      const sign = state.down ? -1 : 1;
      found.sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === y) return a - b;
        if (x === null || y === null) return x === null ? 1 : -1; // absent ones last, either way
        return (x < y ? -1 : 1) * sign;
      });
    }
    body.replaceChildren();
    shown = 0;
    state.at = -1;
    more();
    byId("none").hidden = found.length > 0;
    byId("found").value = `${found.length} of ${data.samples.length} samples`;
    for (const row of document.querySelectorAll("#summary tbody tr")) row.classList.toggle("chosen", Number(row.dataset.run) === state.run);
    for (const button of document.querySelectorAll("[data-sort]")) {
      const mine = state.sort === Number(button.dataset.sort);
      button.closest("th").setAttribute("aria-sort", mine ? (state.down ? "descending" : "ascending") : "none");
    }
    keep();
  }

  function more() {
    const rows = found.slice(shown, shown + BATCH).map((i) => row(data.samples[i]));
    body.append(...rows);
    shown += rows.length;
  }

  function row(sample) {
    const made = element("tr");
    const link = element("a", "", sample[NAME]);
    link.href = `pages/${sample[ID]}.html`;
    const cells = [DATASET, MODEL, METHOD].map((column) => element("td", column === METHOD ? "method" : "", lists[column][sample[column]]));
    const name = element("td");
    name.append(link);
    const text = element("td", "text", sample[TEXT]);
    text.dir = "auto";
    const mass = element("td");
    mass.append(bar(sample[SHARES]));
    made.append(...cells, name, text, element("td", "num", sample[TOKENS]), mass);
    for (let i = 0; i < 3; i++) made.append(element("td", "num", score(sample[RISE + i])));
    return made;
  }

  function bar(shares) {
    const made = svg("svg", { class: "shares", viewBox: "0 0 100 4", width: 64, height: 6, preserveAspectRatio: "none", role: "img" });
    const title = svg("title", {});
    title.textContent = PARTS.map((part, i) => `${part} ${shares[i] === null ? "–" : (100 * shares[i]).toFixed(1) + " %"}`).join(", ");
    made.append(title);
    let x = 0;
    shares.forEach((share, i) => {
      if (!share) return;
      made.append(svg("rect", { class: `fill-${PARTS[i]}`, x, y: 0, width: 100 * share, height: 4 }));
      x += 100 * share;
    });
    return made;
  }

  // --- the state stands in the address, so that going back finds the same list
  function keep() {
    const params = new URLSearchParams();
    for (const id of fields) if (byId(id).value && !(id === "score" && byId(id).value === "0")) params.set(id, byId(id).value);
    if (state.run !== null) params.set("run", state.run);
    if (state.sort !== null) params.set("sort", (state.down ? "-" : "") + state.sort);
    history.replaceState(null, "", `#${params}`);
  }
  function recall() {
    const params = new URLSearchParams(location.hash.slice(1));
    for (const id of fields) if (params.has(id)) byId(id).value = params.get(id);
    if (params.has("run")) state.run = Number(params.get("run"));
    const sort = params.get("sort");
    if (sort) { state.down = sort.startsWith("-"); state.sort = Math.abs(Number(sort)); }
  }
  function reset() {
    for (const id of fields) byId(id).value = id === "score" ? "0" : "";
    Object.assign(state, { sort: null, down: false, run: null });
    filter();
  }

  function select(at) {
    if (at < 0 || at >= found.length) return;
    while (at >= shown) more();
    body.children[state.at]?.classList.remove("at");
    state.at = at;
    const row = body.children[at];
    row.classList.add("at");
    row.scrollIntoView({ block: "nearest" });
  }

  for (const kind of ["input", "change"]) byId("filters").addEventListener(kind, filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", (event) => { event.preventDefault(); reset(); });
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      const column = Number(button.dataset.sort);
      state.down = state.sort === column ? !state.down : false;
      state.sort = column;
      filter();
    });
  }
  const chooseRun = (row) => {
    const run = Number(row.dataset.run);
    state.run = state.run === run ? null : run;
    filter();
    if (state.run !== null) byId("filters").scrollIntoView({ block: "nearest" });
  };
  byId("summary").addEventListener("click", (event) => { const row = event.target.closest("tbody tr"); if (row) chooseRun(row); });
  byId("summary").addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("tr")) { event.stopPropagation(); chooseRun(event.target); } });
  body.addEventListener("click", (event) => {
    const link = event.target.closest("tr")?.querySelector("a");
    if (link && !event.target.closest("a") && !String(getSelection())) location.href = link.href;
  });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    if (event.key === "Escape") { event.target.blur(); reset(); return; }
    if (event.target.matches("input, select")) return;
    if (event.key === "/") { event.preventDefault(); byId("q").focus(); }
    if (event.key === "ArrowDown" || event.key === "j") { event.preventDefault(); select(state.at + 1); }
    if (event.key === "ArrowUp" || event.key === "k") { event.preventDefault(); select(state.at - 1); }
    if (event.key === "Enter" && state.at >= 0 && !event.target.matches("a, button")) location.href = body.children[state.at].querySelector("a").href;
  });
  new IntersectionObserver((entries) => { if (entries[0].isIntersecting) more(); }, { rootMargin: "600px" }).observe(byId("more"));

  recall();
  filter();
  document.documentElement.dataset.ready = "yes";
})();
