// The list of samples: scores, filters, order, search in whole texts, keyboard. Only the rows in view
// are in the page, so that 50,000 samples are as quick as fifty.
"use strict";
const ROW = 34;
const FIELDS = ["q", "dataset", "model", "method", "score", "low", "high"];

class List {
  constructor(root, catalog, source, open) {
    this.root = root;
    this.catalog = catalog;
    this.source = source;
    this.open = open;
    this.found = [];
    this.at = -1;
    this.texts = new Map(); // key -> lower-cased text, as far as search has read
    this.kept = 0;
    this.asked = "";
    this.hits = new Set(); // texts that hold what is searched
    this.seen = new Set(); // those that search has read
    this.build();
    catalog.listeners.add(() => this.later());
  }

  build() {
    const input = (id, attributes, label) => el("input", { id, "aria-label": label, placeholder: label, autocomplete: "off", ...attributes });
    this.hero = el("section", { class: "hero" });
    this.summary = el("section", { class: "card" });
    this.fields = {
      q: input("q", { type: "search" }, t("Search in texts and names")),
      dataset: el("select", { id: "dataset", "aria-label": t("Dataset") }),
      model: el("select", { id: "model", "aria-label": t("Model") }),
      method: el("select", { id: "method", "aria-label": t("Method") }),
      score: el("select", { id: "score", "aria-label": t("Score") }),
      low: input("low", { type: "number", step: "0.01" }, t("from")),
      high: input("high", { type: "number", step: "0.01" }, t("to")),
    };
    const { q, dataset, model, method, score, low, high } = this.fields;
    this.count = el("output", { id: "found", "aria-live": "polite" });
    this.filters = el("form", { id: "filters", role: "search" }, q, dataset, model, method,
      el("span", { class: "range" }, score, low, " – ", high),
      button(t("Reset"), { id: "reset" }, () => this.reset()), this.count);
    this.head = el("thead");
    this.body = el("tbody");
    this.table = el("table", { id: "samples", tabindex: "0", "aria-label": t("Samples") }, this.head, this.body);
    this.scroller = el("div", { class: "wide rows", tabindex: "-1" }, this.table);
    this.none = el("p", { id: "none", hidden: true }, t("No sample fits these filters."));
    put(this.root, this.hero, this.summary, el("section", { class: "card" }, this.filters, this.scroller, this.none));
    // Typing filters at once; leaving the field changes nothing, so that a click on a row is a click.
    this.filters.addEventListener("input", (event) => { if (event.target.matches("input")) this.changed(); });
    this.filters.addEventListener("change", (event) => { if (event.target.matches("select")) this.changed(); });
    this.filters.addEventListener("submit", (event) => event.preventDefault());
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-at]");
      if (!row || event.target.closest("a") || String(getSelection())) return;
      this.open(this.catalog.samples[Number(row.dataset.at)]);
    });
    this.summary.addEventListener("click", (event) => this.chooseRun(event.target.closest("tr[data-run]")));
    this.summary.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("tr[data-run]")) return;
      event.stopPropagation();
      this.chooseRun(event.target);
    });
    addEventListener("scroll", () => this.window(), { passive: true });
    addEventListener("resize", () => this.window());
  }

  // While samples come in, the page is drawn anew a few times a second at most.
  later() {
    if (this.catalog.complete) { clearTimeout(this.timer); this.refresh(); return; }
    this.timer ??= setTimeout(() => { this.timer = null; this.refresh(); }, 250);
  }

  // What is known has changed.
  refresh() {
    for (const name of ["dataset", "model", "method"]) this.choices(name);
    const { score } = this.fields;
    if (score.options.length !== this.catalog.scores.length) {
      const kept = this.wanted?.score || score.value;
      put(score, ...this.catalog.scores.map(({ label, key }) => el("option", { value: key }, label)));
      if (kept) score.value = kept;
    }
    if (this.root.hidden) { this.filter(); return; } // a sample's neighbours are those of the list
    this.drawHero();
    this.drawSummary();
    this.drawHead();
    this.filter();
  }

  drawHero() {
    const { catalog } = this;
    const known = catalog.samples.filter(({ facts }) => facts).length;
    const failed = catalog.failures;
    const many = (name) => new Set(catalog.runs.map(({ shown }) => shown[name])).size;
    const amounts = [plural(many("dataset"), "{0} dataset", "{0} datasets"), plural(many("model"), "{0} model", "{0} models"), plural(many("method"), "{0} method", "{0} methods")];
    put(this.hero, 
      el("h1", {}, plural(catalog.samples.length - failed.length, "{0} sample", "{0} samples")),
      el("p", {}, amounts.join(t(", ")), t("."),
        catalog.complete ? null : el("span", { id: "reading" }, " ", t("Reading: {0} of {1}", known + failed.length, catalog.samples.length))),
      ...(failed.length ? [el("details", { class: "failed", open: this.hero.querySelector(".failed")?.open ?? false },
        el("summary", {}, plural(failed.length, "{0} file is not shown: it is no sample.", "{0} files are not shown: they are no samples.")),
        el("ul", {}, ...failed.slice(0, 100).map(({ name, why: reason }) => el("li", {}, el("b", {}, name), ": ", reason))))] : []));
  }

  choices(name) {
    const field = this.fields[name], kept = this.wanted?.[name] ?? field.value;
    const all = [...new Set(this.catalog.runs.map(({ shown }) => shown[name]))].sort();
    if (field.options.length === all.length + 1) return;
    const every = { dataset: t("all datasets"), model: t("all models"), method: t("all methods") }[name];
    put(field, el("option", { value: "" }, every), ...all.map((one) => el("option", { value: one }, one)));
    field.value = all.includes(kept) ? kept : "";
  }

  drawSummary() {
    const { scores } = this.catalog;
    const rows = scoreTable(this.catalog);
    const limits = scores.map((_, i) => {
      const all = rows.flatMap(({ values }) => values[i]).filter(Number.isFinite);
      return all.length ? [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))] : [0, 1];
    });
    const directions = [false, true].map((up) => [scores.filter(({ higher }) => higher === up).map(({ label }) => label), up])
      .filter(([names]) => names.length).map(([names, up]) => t(up ? "{0}: higher is better" : "{0}: lower is better", names.join(t(" and "))));
    let last = null;
    this.summary.hidden = !rows.length;
    put(this.summary, 
      el("h2", {}, t("Scores"), el("small", {}, t("mean ± standard error (n); best of its dataset and model in bold; {0}; – absent", directions.join(t("; "))))),
      el("div", { class: "wide" }, el("table", { id: "summary" },
        el("thead", {}, el("tr", {}, ...["dataset", "model", "method"].map((name) => el("th", {}, t(name))), el("th", { class: "num" }, t("samples")),
          ...scores.map(({ label, higher }) => el("th", { class: "num" }, `${label} ${higher ? "↑" : "↓"}`)))),
        el("tbody", {}, ...rows.map((row) => {
          const { run } = row, first = last !== `${run.path}\n${run.model}`;
          last = `${run.path}\n${run.model}`;
          return el("tr", { "data-run": run.at, tabindex: "0", class: first ? "first" : null, title: t("Show the samples of {0}", run.tag) },
            el("td", { title: run.path }, first ? run.shown.dataset : ""), el("td", {}, first ? run.shown.model : ""), el("td", { class: "method" }, row.label),
            el("td", { class: "num" }, row.partial ? t("{0} of {1}", row.count, run.promised) : String(row.count)),
            ...row.estimates.map(({ n, mean, sem }, i) => el("td", { class: `num${row.best.has(i) ? " best" : ""}` },
              n ? this.bars(row.values[i], limits[i], scores[i].label) : null,
              el("span", {}, score3(mean)), Number.isNaN(sem) ? null : el("small", {}, ` ± ${score3(sem)}`), n ? el("small", {}, ` (${n})`) : null)));
        })))));
    this.markRun();
  }

  bars(values, [low, high], label) {
    const counts = new Array(16).fill(0), width = high > low ? high - low : 1;
    for (const value of values) if (Number.isFinite(value)) counts[Math.min(15, Math.floor(((value - low) / width) * 16))]++;
    const most = Math.max(...counts, 1);
    return svg("svg", { class: "hist", viewBox: "0 0 16 10", width: 60, height: 18, preserveAspectRatio: "none", role: "img", "aria-label": t("histogram of {0} from {1} to {2}", label, score3(low), score3(high)) },
      ...counts.map((count, i) => (count ? svg("rect", { x: i, y: 10 - (10 * count) / most, width: 0.86, height: (10 * count) / most }) : null)));
  }

  columns() {
    const { scores } = this.catalog;
    return [
      { key: "dataset", label: t("dataset"), of: ({ run }) => run.shown.dataset },
      { key: "model", label: t("model"), of: ({ run }) => run.shown.model },
      { key: "method", label: t("method"), of: ({ run }) => run.shown.method },
      { key: "file", label: t("sample"), of: ({ file }) => file },
      { key: "text", label: t("text"), of: ({ facts }) => this.catalog.snippets.get(facts?.text) ?? "" },
      { key: "tokens", label: t("tokens"), num: true, of: ({ facts }) => facts?.tokens ?? null },
      ...PARTS.slice(0, 3).map((part, i) => ({ key: part, label: t(TITLES[part]), share: true, of: ({ facts }) => facts?.shares[i] ?? null })),
      ...scores.map(({ key, label, higher }, i) => ({ key, label: `${label} ${higher ? "↑" : "↓"}`, num: true, of: ({ facts }) => facts?.scores[i] ?? null })),
    ];
  }

  drawHead() {
    const cells = this.columns().map(({ key, label, num, share }) => {
      const mine = this.sort === key;
      const made = el("th", { class: `${num ? "num" : share ? "share" : ""} c-${key}`, scope: "col", "aria-sort": mine ? (this.down ? "descending" : "ascending") : "none" });
      made.append(button(label, { "data-sort": key, title: share ? t("share of the mass in this part") : null }, () => {
        this.down = mine ? !this.down : Boolean(share);
        this.sort = key;
        this.drawHead();
        this.head.querySelector(`[data-sort="${key}"]`).focus();
        this.changed();
      }));
      return made;
    });
    put(this.head, el("tr", {}, ...cells));
  }

  changed() {
    this.filter();
    this.onchange?.();
  }

  // --- which samples
  filter() {
    const value = (name) => this.fields[name].value;
    const q = value("q").trim().toLowerCase();
    const chosen = ["dataset", "model", "method"].filter((name) => value(name));
    const column = Math.max(0, this.catalog.scores.findIndex(({ key }) => key === value("score")));
    const low = parseFloat(value("low")), high = parseFloat(value("high"));
    if (q !== this.asked) Object.assign(this, { asked: q, hits: new Set(), seen: new Set(), job: null, searching: null });
    if (q && !this.job && this.seen.size < this.catalog.texts.size) this.search(q);
    const keep = (sample) => {
      const { run, facts, file } = sample;
      if (sample.why !== null) return false;
      if (chosen.some((name) => run.shown[name] !== value(name))) return false;
      if (this.run && (run.path !== this.run.path || run.model !== this.run.model || run.tag !== this.run.tag)) return false;
      const score = facts ? facts.scores[column] : NaN;
      if (!Number.isNaN(low) && !(score >= low)) return false;
      if (!Number.isNaN(high) && !(score <= high)) return false;
      if (!q) return true;
      return `${run.shown.dataset}\n${run.shown.model}\n${run.tag}\n${file}`.toLowerCase().includes(q) || Boolean(facts && this.hits.has(facts.text));
    };
    this.found = this.catalog.samples.filter(keep);
    const column_ = this.sort && this.columns().find(({ key }) => key === this.sort);
    if (column_) {
      const keys = new Map(this.found.map((sample) => [sample, column_.of(sample)]));
      const absent = (key) => key === null || Number.isNaN(key) || key === "";
      const sign = this.down ? -1 : 1;
      this.found.sort((a, b) => {
        const x = keys.get(a), y = keys.get(b);
        if (absent(x) || absent(y)) return absent(x) - absent(y) || a.at - b.at; // absent ones last, either way
        return x === y ? a.at - b.at : (x < y ? -1 : 1) * sign;
      });
    }
    this.at = Math.min(this.at, this.found.length - 1);
    const amount = plural(this.catalog.samples.length - this.catalog.failures.length, "{1} of {0} sample", "{1} of {0} samples", this.found.length);
    this.count.value = this.searching ? t("{0}; searched {1} of {2} texts", amount, ...this.searching) : amount;
    this.none.hidden = this.found.length > 0 || !this.catalog.complete;
    this.markRun();
    this.window();
    this.onfound?.();
  }

  // Whole texts, read one after the other and kept as far as memory is reasonable. Texts that come to
  // be known meanwhile are searched too.
  async search(q) {
    const { texts } = this.catalog, { hits, seen } = this;
    const job = (this.job = {});
    const pause = (time) => new Promise((next) => setTimeout(next, time));
    this.searching = [seen.size, texts.size];
    await pause(120); // while somebody types on, nothing is searched
    let last = performance.now();
    for (const [key, samples] of texts) {
      if (this.job !== job) return;
      if (seen.has(key)) continue;
      const text = await this.textOf(key, samples[0]);
      if (this.job !== job) return;
      seen.add(key);
      if (text.includes(q)) hits.add(key);
      if (performance.now() - last < 200) continue;
      this.searching = [seen.size, texts.size];
      this.filter();
      await pause(0);
      last = performance.now();
    }
    this.job = this.searching = null;
    this.filter();
  }

  async textOf(key, sample) {
    let text = this.texts.get(key);
    if (text !== undefined) return text;
    try {
      const pieces = await this.source.text(sample);
      text = pieces ? cellsOf(pieces).map((cell) => cell.text).join("").toLowerCase() : "";
    } catch {
      text = ""; // what is wrong with it is told where it is opened
    }
    this.kept += text.length;
    if (this.kept < 1e8) this.texts.set(key, text);
    return text;
  }

  // --- rows in view
  window() {
    if (this.root.hidden || !this.catalog.runs.length) return;
    const top = this.table.getBoundingClientRect().top + this.head.offsetHeight;
    const first = Math.max(0, Math.floor(-top / ROW) - 20) & ~1;
    const last = Math.min(this.found.length, first + Math.ceil(innerHeight / ROW) + 40);
    // Rows that stay the same stay in place: a click may be under way on one of them.
    const shown = this.found.slice(first, last);
    const key = [first, this.found.length, this.at, shown.length ? this.address(shown[0]) : "", ...shown.map(({ at, facts }) => (facts ? at : -1 - at))].join(" ");
    if (this.shown === key) return;
    this.shown = key;
    const space = (rows) => el("tr", { class: "space", "aria-hidden": "true" }, el("td"));
    const before = space(), after = space();
    before.style.height = `${first * ROW}px`;
    after.style.height = `${(this.found.length - last) * ROW}px`;
    const columns = this.columns();
    for (const one of [before, after]) one.firstChild.colSpan = columns.length;
    this.table.setAttribute("aria-rowcount", this.found.length + 1);
    put(this.body, before, ...shown.map((sample, i) => this.row(sample, first + i, columns)), after);
  }

  row(sample, place, columns) {
    const { facts, run } = sample;
    return el("tr", { "data-at": sample.at, class: place === this.at ? "at" : null, "aria-rowindex": place + 2 },
      ...columns.map(({ key, num, share, of }) => {
        const value = of(sample);
        if (key === "file") return el("td", { class: "c-file" }, el("a", { href: this.address(sample), "data-open": sample.at }, value.replace(/\.npz$/, "")));
        if (key === "text") return el("td", { class: "text c-text", dir: "auto", title: value }, value);
        if (key === "in") return el("td", { class: "c-in share" }, facts ? shareBar(facts.shares, 40, 6) : null, percentShort(value));
        if (share) return el("td", { class: `share c-${key}` }, percentShort(value));
        if (num) return el("td", { class: `num c-${key}` }, key === "tokens" ? String(value ?? "…") : facts ? score3(value) : "…");
        return el("td", { class: `c-${key}${key === "method" ? " method" : ""}`, title: key === "dataset" ? run.path : key === "method" ? run.tag : null }, value);
      }));
  }

  markRun() {
    for (const row of this.summary.querySelectorAll("tr[data-run]")) row.classList.toggle("chosen", this.run === this.catalog.runs[Number(row.dataset.run)]);
  }

  chooseRun(row) {
    if (!row) return;
    const run = this.catalog.runs[Number(row.dataset.run)];
    this.run = this.run === run ? null : run;
    this.changed();
    if (this.run) this.filters.scrollIntoView({ block: "nearest" });
  }

  // --- the state stands in the address: names, not positions
  keep(params) {
    for (const name of FIELDS) {
      const { value } = this.fields[name];
      if (value && !(name === "score" && value === this.catalog.scores[0]?.key)) params.set(name, value);
    }
    if (this.run) params.set("run", [this.run.path, this.run.model, this.run.tag].join("/"));
    if (this.sort) params.set("sort", (this.down ? "-" : "") + this.sort);
  }

  recall(params) {
    this.wanted = Object.fromEntries(FIELDS.map((name) => [name, params.get(name) ?? ""]));
    for (const name of FIELDS) {
      const field = this.fields[name], value = this.wanted[name];
      field.value = name === "score" ? value || this.catalog.scores[0]?.key || "" : value;
    }
    const run = params.get("run");
    this.run = run === null ? null : this.catalog.runs.find((one) => [one.path, one.model, one.tag].join("/") === run) ?? null;
    const sort = params.get("sort") ?? "";
    this.down = sort.startsWith("-");
    this.sort = sort.replace(/^-/, "") || null;
    this.refresh();
    this.wanted = null;
  }

  reset() {
    for (const name of FIELDS) this.fields[name].value = name === "score" ? this.catalog.scores[0]?.key ?? "" : "";
    Object.assign(this, { sort: null, down: false, run: null, at: -1 });
    this.drawHead();
    this.changed();
  }

  select(at) {
    if (at < 0 || at >= this.found.length) return;
    this.at = at;
    const top = this.table.getBoundingClientRect().top + scrollY + this.head.offsetHeight + at * ROW;
    if (top < scrollY + 120) scrollTo(0, top - 120);
    if (top + ROW > scrollY + innerHeight) scrollTo(0, top + ROW - innerHeight + 40);
    this.window();
  }

  key(event) {
    const { key } = event;
    if (key === "Escape") { event.target.blur?.(); this.reset(); return; }
    if (key === "/") { event.preventDefault(); this.fields.q.focus(); }
    if (key === "ArrowDown" || key === "j") { event.preventDefault(); this.select(this.at + 1); }
    if (key === "ArrowUp" || key === "k") { event.preventDefault(); this.select(this.at - 1); }
    if (key === "Enter" && this.at >= 0 && !event.target.matches("a, button, summary")) this.open(this.found[this.at]);
  }

  // The neighbours of a sample in the list as it is filtered and sorted.
  neighbours(sample) {
    const at = this.found.indexOf(sample);
    return at < 0 ? [null, null] : [this.found[at - 1] ?? null, this.found[at + 1] ?? null];
  }
}

const percentShort = (share) => (Number.isFinite(share) ? `${Math.round(100 * share)} %` : "–");
