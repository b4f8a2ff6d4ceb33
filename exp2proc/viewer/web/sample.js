// One sample: choose a vector, a scale, units; look at tokens; put another method beside it or
// subtract it. All that is chosen stands in the address.
"use strict";
const TOP = 20;
const AGGREGATES = ["sum", "mean", "max"];
const DEFAULTS = { v: "attr", scale: "linear", norm: "together", unit: "tokens", agg: "sum", cut: "0", mode: "beside", hide: "", with: "", token: "", find: "" };

class View {
  constructor(root, catalog, source, list) {
    Object.assign(this, { root, catalog, source, list, panes: [], state: { ...DEFAULTS }, sample: null });
    this.build();
    addEventListener("resize", () => this.drawProfile());
    addEventListener("scroll", () => this.scrolled(), { passive: true });
    document.documentElement.addEventListener("theme", () => this.drawProfile());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawProfile());
    addEventListener("beforeprint", () => { for (const { heat } of this.panes) heat.paintAll(); });
  }

  // --- the skeleton
  build() {
    const group = (id, label, ...inside) => el("div", { class: "seg", id, role: "group", "aria-label": label }, ...inside);
    this.facts = el("div", { class: "facts" });
    this.vectors = group("vectors", t("Attribution"));
    this.scales = group("scales", t("Colour scale (s)"), ...SCALES.map((scale) => button(t(scale), { "data-scale": scale, title: t(SCALE_NOTES[scale]) }, () => this.set({ scale }))));
    this.norms = group("norms", t("Normalised"), ...["together", "apart"].map((norm) => button(t(norm), { "data-norm": norm, title: t(NORM_NOTES[norm]) }, () => this.set({ norm }))));
    this.parts = group("parts", t("Parts"));
    const select = (id, label, names, act) => {
      const made = el("select", { id, "aria-label": label }, ...names.map((name) => el("option", { value: name }, t(name))));
      made.addEventListener("change", () => act(made.value));
      return made;
    };
    this.unit = select("unit", t("Shown as one"), UNITS, (unit) => this.set({ unit }));
    this.agg = select("agg", t("Score of several tokens"), AGGREGATES, (agg) => this.set({ agg }));
    this.cut = el("input", { id: "cut", type: "range", min: "0", max: "100", step: "1", "aria-label": t("Cut-off: weights below this share of the highest are not coloured") });
    this.cut.addEventListener("input", () => this.set({ cut: String(this.cut.value / 100) }));
    this.weights = el("span", { class: "weights" });
    this.compare = el("select", { id: "compare", "aria-label": t("Another method") });
    this.compare.addEventListener("change", () => this.set({ with: this.compare.value }));
    this.modes = group("modes", t("How two methods are shown"), ...["beside", "difference"].map((mode) => button(t(mode), { "data-mode": mode, title: t(MODE_NOTES[mode]) }, () => this.set({ mode }))));
    this.comparing = el("span", { class: "compare", hidden: true }, this.compare, this.modes);
    this.find = el("input", { id: "find", type: "search", placeholder: t("Find in this text"), "aria-label": t("Find in this text"), autocomplete: "off" });
    this.find.addEventListener("input", () => { this.set({ find: this.find.value }, { quiet: true }); this.findNext(0); });
    this.find.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); this.findNext(event.shiftKey ? -1 : 1); } });
    this.hits = el("output", { id: "hits", "aria-live": "polite" });
    this.take = el("details", { class: "menu", id: "take" }, el("summary", { class: "button" }, t("Take along")),
      el("div", { class: "sheet" }, ...TAKES.filter(([, key]) => key !== "link" || address.kept === null).map(([name, key]) => button(t(name), { "data-take": key }, () => { this.take.open = false; takeAlong(this, key); }))));
    this.canvas = el("canvas", { id: "profile", height: "36", role: "img", "aria-label": t("Attribution along the tokens") });
    this.canvas.addEventListener("click", (event) => this.goTo(Math.floor((event.offsetX / this.canvas.clientWidth) * this.length)));
    this.here = el("i", { class: "here" });
    this.holder = el("div", { class: "panes" });
    this.side = el("aside", { class: "side", "aria-label": t("Numbers") });
    this.columnsBox = el("div", { class: "columns" }, this.holder, this.side);
    this.live = el("div", { class: "unseen", "aria-live": "polite", id: "spoken" });
    this.tip = el("div", { id: "tip", role: "tooltip", hidden: true });
    this.problem = el("p", { class: "problem", id: "problem", hidden: true, role: "alert" });
    this.title = el("h1", { class: "unseen" });
    this.body = el("div", {}, this.title, this.facts,
      el("div", { class: "tools", role: "toolbar", "aria-label": t("What is shown") },
        el("div", { class: "line" }, this.vectors, this.parts, this.comparing),
        el("div", { class: "line" }, this.scales, this.norms, el("span", { class: "pair" }, this.unit, this.agg),
          el("span", { class: "pair cutoff" }, this.weights, this.cut), this.find, this.hits, this.take),
        el("div", { class: "strip" }, this.canvas, this.here)),
      this.columnsBox, this.live);
    put(this.root, this.problem, this.body, this.tip);
    document.addEventListener("click", (event) => { if (!this.take.contains(event.target)) this.take.open = false; });
    this.holder.addEventListener("pointerover", (event) => this.point(event.target));
    this.holder.addEventListener("pointerleave", () => this.unpoint());
    this.holder.addEventListener("click", (event) => {
      const found = this.unitUnder(event.target);
      if (found) this.stand(found.pane, found.unit);
    });
  }

  // --- opening
  async open(sample, params) {
    const job = (this.job = {});
    const next = stateOf(params);
    const same = this.sample === sample && this.panes.length > 0;
    this.state = next;
    this.hidden = new Set(next.hide.split(".").filter((part) => PARTS.includes(part)));
    try {
      if (!same) {
        if (!this.panes.length) this.body.hidden = true; // nothing to see yet
        const data = await this.load(sample);
        if (this.job !== job) return;
        this.sample = sample;
        this.data = data;
        this.drawFacts();
      }
      this.nameOthers();
      const other = next.with ? this.catalog.byName.get(next.with) : null;
      this.other = other && other !== sample && this.others.includes(other) ? await this.loadOther(other) : null;
      if (this.job !== job) return;
      this.problem.hidden = true;
      this.body.hidden = false;
      this.layOut();
      if (next.token !== "" && !same) this.goTo(Number(next.token), false);
    } catch (error) {
      if (this.job !== job) return;
      this.sample = sample;
      this.clear();
      this.body.hidden = true;
      this.problem.hidden = false;
      this.problem.textContent = t("{0} is not shown: {1}.", sample.name, why(error));
      if (!isTold(error)) throw error;
    }
  }

  // The one beside; where it cannot be read, the sample itself is shown all the same.
  async loadOther(sample) {
    try {
      return { sample, data: await this.load(sample) };
    } catch (error) {
      if (!isTold(error)) throw error;
      tell(t("{0} is not shown: {1}.", sample.name, why(error)));
      return null;
    }
  }

  async load(sample) {
    if (sample.why !== null) throw new FormatError(sample.why);
    const arrays = await this.source.arrays(sample);
    const data = sampleOf(arrays, this.catalog.scores.map(({ key }) => key));
    data.numbers = partNumbers(data.attr.length, data.spans);
    data.cells = data.tok ? cellsOf(data.tok) : Array.from(data.attr, (_, at) => ({ start: at, stop: at + 1, text: "·" }));
    data.vectors = [data.attr, ...data.hops];
    data.mass = data.vectors.map(massOf);
    data.shares = data.vectors.map((vector) => sharesOf(vector, data.numbers));
    return data;
  }

  // Other samples of this text may have come to be known since it was opened. Says whether it must be
  // opened again; else the text stays as it is, with whatever is marked in it.
  learn() {
    if (!this.panes.length) return false;
    if (!this.known && this.sample.facts?.gold) return true; // to be marked
    if (this.catalog.sameText(this.sample).length === this.others.length) return false;
    const { with: name } = this.state, before = this.others;
    this.nameOthers();
    if (this.others.some((one) => one.name === name && !before.includes(one))) return true;
    this.drawTools();
    this.paint();
    return false;
  }

  nameOthers() {
    this.others = this.catalog.sameText(this.sample);
    const labels = this.catalog.labels(this.others);
    this.labels = new Map(this.others.map((one, i) => [one, labels[i]]));
  }

  leave() {
    this.job = this.sample = null;
    this.clear();
  }

  clear() {
    this.tip.hidden = true;
    for (const { heat } of this.panes) heat.close();
    this.panes = [];
    this.holder.replaceChildren();
  }

  get length() { return this.data.attr.length; }
  get vector() { return this.state.v === "attr" ? 0 : Number(this.state.v) + 1; }

  // Change what is shown; the address follows.
  set(changes, { quiet = false } = {}) {
    const before = this.state;
    this.state = { ...before, ...changes };
    if (changes.hide !== undefined) this.hidden = new Set(changes.hide.split(".").filter(Boolean));
    if ("with" in changes) { this.onchange?.(); return; } // main opens it again, with the other one
    if (changes.unit !== undefined || changes.mode !== undefined) this.layOut();
    else if (!quiet) this.paint();
    this.onaddress?.();
  }

  // What is shown as one, and how many panes there are.
  layOut() {
    const { data, other, state } = this;
    const units = unitsOf(data.cells, data.numbers, data.tok ? state.unit : "tokens");
    const gold = this.goldUnits(units);
    this.known = this.sample.facts !== null;
    const shown = [{ sample: this.sample, data }];
    if (other && state.mode === "beside") shown.push(other);
    this.clear();
    for (const one of shown) {
      const box = el("article", { class: "pane" }), root = el("div");
      const head = el("h2", { class: "pane-head" });
      box.append(head, root);
      this.holder.append(box);
      const mine = one === shown[0] ? units : unitsOf(one.data.cells, one.data.numbers, one.data.tok ? state.unit : "tokens");
      this.panes.push({ ...one, box, head, heat: new Heatmap(root, mine, t("Tokens of {0}", one.sample.name), gold) });
    }
    for (const pane of this.panes) this.keyboard(pane);
    this.columnsBox.classList.toggle("beside", this.panes.length > 1);
    this.drawTools();
    this.paint();
    if (state.find) this.findNext(0, false);
    if (state.token !== "") for (const { heat } of this.panes) heat.stand(heat.unitOf(Number(state.token)));
  }

  goldUnits(units) {
    const { gold } = this.sample.facts ?? {};
    if (!gold) return new Set();
    const tokens = new Set(expand(gold.gold));
    const holds = ({ start, stop }) => { for (let at = start; at < stop; at++) if (tokens.has(at)) return true; return false; };
    return new Set(units.flatMap((unit, i) => (holds(unit) ? [i] : [])));
  }

  // --- numbers above
  drawFacts() {
    const { data, catalog } = this;
    const counts = [0, 0, 0, 0];
    for (const number of data.numbers) counts[number]++;
    const { cot, out } = data.spans;
    const both = cot[0] < 0 || out[0] < 0 ? 0 : Math.max(0, Math.min(cot[1], out[1]) - Math.max(cot[0], out[0]) + 1);
    this.counts = counts;
    this.title.textContent = this.sample.name;
    put(this.facts, 
      ...catalog.scores.map(({ label, higher }, i) => el("div", { class: "fact" }, el("span", {}, label), el("b", {}, score3(data.scores[i])), el("small", {}, t(higher ? "higher is better" : "lower is better")))),
      el("div", { class: "fact" }, el("span", {}, t("Tokens")), el("b", {}, String(data.attr.length)),
        el("small", {}, PARTS.map((part, i) => (counts[i] ? `${t(TITLES[part])} ${counts[i]}` : null)).filter(Boolean).join(t(", ")), both ? t("; ") + t("CoT and output share {0}", both) : null)));
  }

  drawTools() {
    const { data, state, counts } = this;
    const most = Math.max(data.vectors.length, this.other?.data.vectors.length ?? 0);
    const names = Array.from({ length: most }, (_, i) => (i ? `hop ${i - 1}` : "attr"));
    put(this.vectors, ...names.map((name, i) => button("", {
      "data-vector": i ? i - 1 : "attr", "aria-pressed": String(this.vector === i),
      title: i ? t("hop {0}", i - 1) + (i <= 10 ? ` (${i - 1})` : "") : `${t("row attribution")} (a)`,
    }, () => this.set({ v: i ? String(i - 1) : "attr" }))));
    [...this.vectors.children].forEach((one, i) => one.append(names[i], data.shares[i] ? shareBar(data.shares[i]) : el("small", {}, t("none"))));
    put(this.parts, ...PARTS.flatMap((part, i) => (counts[i] ? [button(t(TITLES[part]), {
      class: `toggle ${part}`, "data-part": part, "aria-pressed": String(!this.hidden.has(part)), title: t("Show or hide; colours are relative to what is shown ({0})", part[0]),
    }, () => this.toggle(part))] : [])));
    const others = this.others.filter((one) => one !== this.sample);
    put(this.compare, el("option", { value: "" }, t("no other method")), ...others.map((one) => el("option", { value: one.name }, this.labels.get(one))));
    this.compare.value = this.other?.sample.name ?? "";
    this.comparing.hidden = !others.length;
    this.modes.hidden = !this.other;
    this.unit.disabled = !data.tok;
    this.unit.value = state.unit;
    this.agg.value = state.agg;
    this.agg.hidden = state.unit === "tokens";
    this.cut.value = String(Math.round(100 * Number(state.cut)));
    if (this.find.value !== state.find) this.find.value = state.find;
  }

  press() {
    const mark = (group, key, value) => { for (const one of group.children) one.setAttribute("aria-pressed", String(one.dataset[key] === value)); };
    mark(this.vectors, "vector", this.state.v);
    const chosen = this.vectors.querySelector("[aria-pressed=true]");
    if (chosen) this.vectors.scrollTop = chosen.offsetTop - this.vectors.offsetTop - 4;
    mark(this.scales, "scale", this.state.scale);
    mark(this.norms, "norm", this.state.norm);
    mark(this.modes, "mode", this.state.mode);
    for (const one of this.parts.children) one.setAttribute("aria-pressed", String(!this.hidden.has(one.dataset.part)));
    this.cut.setAttribute("aria-valuetext", percent(Number(this.state.cut)));
  }

  // --- painting
  // The scores of a pane's tokens; null where the sample has no such hop.
  rowOf({ data }) {
    const own = data.vectors[this.vector];
    if (!this.other || this.state.mode !== "difference") return own ?? null;
    const two = this.other.data.vectors[this.vector];
    if (!own || !two) return null;
    const [a, b] = [data.mass[this.vector], this.other.data.mass[this.vector]];
    return Float64Array.from(own, (score, i) => (a ? finite(score) / a : 0) - (b ? finite(two[i]) / b : 0));
  }

  paint() {
    const { state } = this;
    const cut = Number(state.cut) || 0;
    for (const pane of this.panes) {
      const { heat } = pane;
      const row = this.rowOf(pane);
      pane.row = row;
      pane.shown = heat.units.map(({ part }) => !this.hidden.has(part));
      pane.values = row ? unitValues(row, heat.units, state.unit === "tokens" ? "sum" : state.agg) : new Float64Array(heat.units.length);
      const parts = heat.units.map(({ part }) => part);
      pane.levels = state.norm === "apart" ? levelsApart(pane.values, pane.shown, parts, state.scale, cut) : levels(pane.values, pane.shown, state.scale, cut);
      heat.paint(pane.levels, this.hidden);
      this.drawHead(pane, Boolean(row));
    }
    this.press();
    this.drawWeights();
    this.drawSide();
    this.drawProfile();
  }

  drawHead(pane, present) {
    const alone = this.panes.length === 1;
    const { scores } = this.catalog;
    const difference = this.other && this.state.mode === "difference";
    const name = difference ? t("{0} minus {1}, of shares", this.labels.get(this.sample), this.labels.get(this.other.sample)) : this.labels.get(pane.sample) ?? pane.sample.run.shown.method;
    put(pane.head, 
      pane.sample === this.sample ? el("b", {}, name) : el("a", { href: this.list.address(pane.sample), "data-open": pane.sample.at }, name),
      el("i", {}, this.state.v === "attr" ? t("row attribution") : t("hop {0}", this.state.v)),
      alone ? null : el("small", {}, scores.map(({ label }, i) => `${label} ${score3(pane.data.scores[i])}`).join(" · ")),
      el("small", { class: "norm" }, t(NORM_NOTES[this.state.norm])),
      present ? null : el("em", { class: "lacking" }, difference ? t("One of the two has no hop {0}: there is no difference to show.", this.state.v) : t("This method has no hop {0}: nothing is coloured.", this.state.v)));
  }

  drawWeights() {
    const pane = this.panes[0], bins = 24;
    const counts = histogram(pane.values, pane.shown, bins), most = Math.log1p(Math.max(...counts, 1));
    const cut = Number(this.state.cut) || 0;
    put(this.weights, svg("svg", { viewBox: `0 0 ${bins} 10`, width: 96, height: 22, preserveAspectRatio: "none", role: "img", "aria-label": t("Histogram of weights up to the highest, heights logarithmic") },
      ...counts.map((count, i) => (count ? svg("rect", { class: (i + 1) / bins <= cut ? "below" : "above", x: i, y: 10 - (10 * Math.log1p(count)) / most, width: 0.86, height: (10 * Math.log1p(count)) / most }) : null))));
  }

  // --- numbers at the side
  drawSide() {
    const lists = this.panes.map((pane, i) => this.topList(pane, i));
    put(this.side, this.legend(), ...lists, ...this.agreement(), ...this.recovery(), this.hopTable());
  }

  legend() {
    const pane = this.panes[0], { values, heat } = pane;
    const ofPrompt = (i) => heat.units[i].part === "in";
    const groups = this.state.norm === "apart" ? [[t("prompt"), (i) => pane.shown[i] && ofPrompt(i)], [t("generation"), (i) => pane.shown[i] && !ofPrompt(i)]] : [["", (i) => pane.shown[i]]];
    const scales = groups.map(([name, has]) => {
      const shown = pane.shown.map((_, i) => has(i));
      const highest = highestOf(values, shown, this.state.scale), negative = values.some((value, i) => shown[i] && value < 0);
      const ramp = el("span", { class: "ramp" });
      for (let level = negative ? -STEPS : 0; level <= STEPS; level += 2) ramp.append(el("i", { class: CLASSES.get(level) }));
      return el("div", { class: "scale" }, name ? el("small", {}, name) : null, el("span", {}, negative ? score4(-highest) : "0"), ramp, el("span", {}, score4(highest)));
    });
    const notes = [t(SCALE_NOTES[this.state.scale]), Number(this.state.cut) > 0 ? t("below {0} of the highest nothing is coloured", percent(Number(this.state.cut))) : null];
    return el("section", { class: "box", id: "legend" }, el("h2", {}, t("Legend")),
      ...scales,
      el("small", {}, notes.filter(Boolean).join(t("; ")), t(".")),
      this.sample.facts?.gold?.gold.length ? el("small", {}, el("span", { class: "gold-key" }, t("gold")), " ", t("tokens that hold the answer, by the traces")) : null);
  }

  topList(pane, i) {
    const order = strongest(pane.values, pane.shown, TOP);
    const highest = Math.abs(pane.values[order[0]] ?? 1) || 1;
    const title = this.panes.length > 1 ? t("Strongest of {0}", this.labels.get(pane.sample)) : t(this.state.unit === "tokens" ? "Strongest tokens" : "Strongest units");
    return el("section", { class: "box" }, el("h2", {}, title), order.length ? el("ol", { class: "top", id: i ? "top-other" : "top" }, ...order.map((unit) => {
      const { start, text, part } = pane.heat.units[unit];
      const bar = el("i", { class: `fill-${part}` });
      bar.style.width = `${Math.max(2, (100 * Math.abs(pane.values[unit])) / highest)}%`;
      const gold = pane.heat.marks.has(unit);
      const made = button("", { "data-token": start, class: gold ? "gold" : null }, () => this.goTo(start));
      made.append(el("small", {}, String(start)), tokenText(text), el("small", { class: "part-name" }, t(TITLES[part])), el("b", {}, score4(pane.values[unit])), bar);
      return el("li", {}, made);
    })) : el("p", { class: "nothing" }, t("Nothing here has a weight.")));
  }

  // How alike two methods are, on what is shown.
  agreement() {
    if (!this.other) return [];
    const own = this.data.vectors[this.vector], two = this.other.data.vectors[this.vector];
    if (!own || !two) return [];
    const units = this.panes[0].heat.units, shown = this.panes[0].shown, how = this.state.unit === "tokens" ? "sum" : this.state.agg;
    const a = unitValues(own, units, how), b = unitValues(two, units, how);
    const among = (values) => values.filter((_, i) => shown[i]);
    const line = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
    const same = (k) => t("{0} of {1}", ...overlap(a, b, shown, k));
    return [el("section", { class: "box", id: "agreement" }, el("h2", {}, t("Agreement")),
      el("dl", {}, ...line(t("rank correlation"), score3(rankCorrelation(among(a), among(b)))), ...line(t("top 10 in common"), same(10)), ...line(t("top 50 in common"), same(50))))];
  }

  recovery() {
    const gold = this.sample.facts?.gold;
    const row = this.data.vectors[this.vector];
    if (!gold?.gold.length || !row) return [];
    const tokens = { gold: expand(gold.gold), among: expand(gold.among) };
    return [el("section", { class: "box", id: "recovery" }, el("h2", {}, t("Recovery of gold tokens")),
      el("dl", {}, ...[5, 10, 20].flatMap((k) => [el("dt", {}, `Recovery@${k}%`), el("dd", {}, score3(recoveryAt(row, tokens, k / 100)))])))];
  }

  // Where the mass goes, vector by vector, and what changes from hop to hop.
  hopTable() {
    const { data } = this;
    const parts = PARTS.filter((_, i) => this.counts[i]);
    const rows = data.shares.map((shares, i) => {
      const before = i > 1 ? data.shares[i - 1] : null;
      return el("tr", { class: i === this.vector ? "at" : null }, el("th", { scope: "row" }, button(i ? `hop ${i - 1}` : "attr", {}, () => this.set({ v: i ? String(i - 1) : "attr" }))),
        el("td", {}, shareBar(shares, 54, 6)),
        ...parts.map((part) => {
          const share = shares[PARTS.indexOf(part)], change = before ? share - before[PARTS.indexOf(part)] : NaN;
          return el("td", { class: "num" }, percent(share), Number.isFinite(change) ? el("small", {}, `${change < 0 ? "−" : "+"}${Math.abs(100 * change).toFixed(1)}`) : null);
        }));
    });
    return el("section", { class: "box", id: "hops" }, el("h2", {}, t("Where the mass goes")),
      el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, t("vector")), el("th", {}, t("shares")), ...parts.map((part) => el("th", { class: `num ${part}` }, t(TITLES[part]))))), el("tbody", {}, ...rows))),
      data.hops.length > 1 ? el("small", {}, t("Small numbers: change from the hop before, in points.")) : null);
  }

  // --- the strip of all tokens
  drawProfile() {
    const { canvas } = this, pane = this.panes[0];
    const width = canvas.clientWidth, ratio = devicePixelRatio || 1, height = 36;
    if (!width || !pane) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const colours = themeColours();
    const peaks = new Float64Array(width), parts = new Array(width).fill(null), gold = new Uint8Array(width);
    pane.heat.units.forEach(({ start, stop, part }, i) => {
      const from = Math.floor((start / this.length) * width), to = Math.max(from + 1, Math.floor((stop / this.length) * width));
      for (let x = from; x < to && x < width; x++) {
        if (Math.abs(pane.levels[i]) > Math.abs(peaks[x])) peaks[x] = pane.levels[i];
        parts[x] = part;
        if (pane.heat.marks.has(i)) gold[x] = 1;
      }
    });
    for (let x = 0; x < width; x++) {
      if (!parts[x]) continue;
      pen.globalAlpha = this.hidden.has(parts[x]) ? 0.25 : 1;
      pen.fillStyle = colours[parts[x]];
      pen.fillRect(x, height - 3, 1, 3);
      pen.globalAlpha = 1;
      if (gold[x]) { pen.fillStyle = colours.gold; pen.fillRect(x, 0, 1, 3); }
      if (!peaks[x]) continue;
      const tall = (Math.abs(peaks[x]) / STEPS) * (height - 9);
      pen.fillStyle = peaks[x] > 0 ? colours.hot : colours.cold;
      pen.fillRect(x, height - 5 - tall, 1, tall);
    }
    this.marker();
  }

  // Where in the text the window stands.
  marker() {
    if (!this.panes.length || !this.length) return;
    const [first, last] = this.inView();
    this.here.style.left = `${(100 * first) / this.length}%`;
    this.here.style.width = `${(100 * (last - first)) / this.length}%`;
  }

  // The tokens from the first to the last that can be seen.
  inView() {
    const { heat } = this.panes[0];
    const top = this.canvas.getBoundingClientRect().bottom;
    const seen = heat.between(top, innerHeight);
    if (!seen.length) return [0, 0];
    const at = (run, y) => {
      const box = run.box.getBoundingClientRect(), share = Math.min(1, Math.max(0, (y - box.top) / box.height));
      const from = heat.units[run.first].start, to = heat.units[run.last - 1].stop;
      return from + share * (to - from);
    };
    return [at(seen[0], top), at(seen.at(-1), innerHeight)];
  }

  scrolled() {
    if (this.root.hidden) return;
    this.unpoint();
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.marker(); });
  }

  // --- tokens
  goTo(token, keep = true) {
    if (!(token >= 0 && token < this.length)) return;
    for (const { heat } of this.panes) {
      const unit = heat.unitOf(token), span = heat.spans[unit];
      heat.show(unit);
      heat.stand(unit);
      span?.setAttribute("data-found", "");
      setTimeout(() => span?.removeAttribute("data-found"), 1200);
    }
    if (keep) this.set({ token: String(token) }, { quiet: true });
  }

  unitUnder(target) {
    const span = target.closest?.(".run > span");
    for (const pane of this.panes) if (pane.heat.index.has(span)) return { pane, unit: pane.heat.index.get(span) };
    return null;
  }

  // The unit that the reader chose: told, marked, kept in the address.
  stand(pane, unit, speak = true) {
    const { start, stop, text, part } = pane.heat.units[unit];
    for (const { heat } of this.panes) heat.stand(heat.unitOf(start));
    pane.heat.show(unit, "nearest");
    if (speak) {
      const where = stop - start > 1 ? t("tokens {0}–{1}", start, stop - 1) : t("token {0}", start);
      this.live.textContent = [oneLine(text).trim() || t("blank"), where, t(TITLES[part]), score4(pane.values[unit])].join(t(", "));
    }
    this.set({ token: String(start) }, { quiet: true });
    this.point(pane.heat.spans[unit]);
  }

  keyboard(pane) {
    pane.heat.root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const { heat } = pane;
      const visible = (i) => heat.spans[i] && !this.hidden.has(heat.units[i].part);
      const step = (by) => { let i = heat.at + by; while (i >= 0 && i < heat.spans.length && !visible(i)) i += by; return visible(i) ? i : heat.at; };
      const moves = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => heat.beside(Math.max(0, heat.at), true), ArrowUp: () => heat.beside(Math.max(0, heat.at), false), Home: () => heat.spans.findIndex((_, i) => visible(i)), End: () => heat.spans.findLastIndex((_, i) => visible(i)) };
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      const next = heat.at < 0 && event.key.startsWith("Arrow") ? step(1) : move();
      if (next >= 0) this.stand(pane, next);
    });
  }

  point(target) {
    const found = this.unitUnder(target);
    for (const old of this.holder.querySelectorAll("[data-twin]")) old.removeAttribute("data-twin");
    this.tip.hidden = !found;
    if (!found) return;
    const { pane, unit } = found;
    const { start, stop, text } = pane.heat.units[unit];
    const number = (row, at) => (row ? score4(row[at]) : "–");
    const lines = [];
    for (let at = start; at < Math.min(stop, start + 6); at++) {
      lines.push(el("div", {}, el("small", {}, t("token {0}", at)), ...this.panes.map((one) => el("b", {}, number(one.row, at)))));
    }
    if (stop > start + 6) lines.push(el("div", {}, el("small", {}, t("and {0} more", stop - start - 6))));
    if (stop - start > 1) lines.push(el("div", {}, el("small", {}, t(this.state.unit === "tokens" ? "sum" : this.state.agg)), el("b", {}, score4(pane.values[unit]))));
    const { data } = pane;
    const all = data.vectors.map((vector, i) => {
      const sum = unitValues(vector, [{ start, stop }], "sum")[0];
      return el("div", { class: i === this.vector ? "at" : null }, el("small", {}, i ? `hop ${i - 1}` : "attr"), el("b", {}, score4(sum)), el("small", {}, percent(data.mass[i] ? Math.abs(sum) / data.mass[i] : NaN)));
    });
    put(this.tip, ...(data.tok ? [tokenText(text)] : []), ...lines,
      ...(data.hops.length ? [el("div", { class: "hops" }, ...all.slice(0, 14), all.length > 14 ? el("small", {}, t("and {0} more", all.length - 14)) : null)] : [el("div", {}, el("small", {}, t("share of all")), el("b", {}, percent(data.mass[0] ? Math.abs(unitValues(data.attr, [{ start, stop }], "sum")[0]) / data.mass[0] : NaN)))]));
    for (const other of this.panes) if (other !== pane) other.heat.spans[other.heat.unitOf(start)]?.setAttribute("data-twin", "");
    const box = pane.heat.spans[unit].getClientRects()[0], size = this.tip.getBoundingClientRect();
    if (!box) return;
    this.tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - size.width - 8))}px`;
    this.tip.style.top = `${box.top - size.height - 6 > 0 ? box.top - size.height - 6 : box.bottom + 6}px`;
  }

  unpoint() {
    this.tip.hidden = true;
    for (const old of this.holder.querySelectorAll("[data-twin]")) old.removeAttribute("data-twin");
  }

  // --- finding in the text: whole texts, so that a word of several tokens is found
  findNext(by, scroll = true) {
    for (const span of this.holder.querySelectorAll("[data-hit]")) span.removeAttribute("data-hit");
    const q = this.state.find.toLowerCase(), { heat } = this.panes[0];
    if (!q) { this.hits.value = ""; return; }
    const starts = [];
    let text = "";
    for (const unit of heat.units) { starts.push(text.length); text += unit.text.toLowerCase(); }
    const found = [];
    for (let at = text.indexOf(q); at >= 0; at = text.indexOf(q, at + q.length)) {
      const first = upper(starts, at) - 1, last = upper(starts, at + q.length - 1) - 1;
      found.push(first);
      for (const pane of this.panes) for (let i = first; i <= last; i++) pane.heat.spans[i]?.setAttribute("data-hit", "");
    }
    this.hit = found.length ? ((this.hit ?? 0) + by + found.length) % found.length : 0;
    if (by === 0) this.hit = 0;
    this.hits.value = found.length ? t("{0} of {1}", this.hit + 1, found.length) : t("not found");
    if (found.length && scroll) for (const pane of this.panes) pane.heat.show(found[this.hit]);
  }

  // --- parts, keys
  toggle(part) {
    const hidden = new Set(this.hidden);
    if (!hidden.delete(part)) hidden.add(part);
    this.set({ hide: PARTS.filter((one) => hidden.has(one)).join(".") });
  }

  keep(params) {
    params.set("s", this.sample.name);
    for (const [key, value] of Object.entries(this.state)) if (value !== DEFAULTS[key]) params.set(key, value);
  }

  key({ key }) {
    const { state } = this, most = this.vectors.children.length;
    if (key === "Escape") { this.take.open = false; this.unpoint(); }
    const move = (by) => { const next = this.vector + by; if (next >= 0 && next < most) this.set({ v: next ? String(next - 1) : "attr" }); };
    if (key === "a") this.set({ v: "attr" });
    else if (/^[0-9]$/.test(key)) { if (Number(key) + 1 < most) this.set({ v: key }); }
    else if (key === "[") move(-1);
    else if (key === "]") move(1);
    else if (key === "s") this.set({ scale: SCALES[(SCALES.indexOf(state.scale) + 1) % SCALES.length] });
    else if (key === "n") this.set({ norm: state.norm === "apart" ? "together" : "apart" });
    else if (key === "w" && this.data.tok) this.set({ unit: UNITS[(UNITS.indexOf(state.unit) + 1) % UNITS.length] });
    else if (key === "m" && this.compare.options.length > 1) this.set({ with: this.compare.options[(this.compare.selectedIndex + 1) % this.compare.options.length].value });
    else if (key === "d" && this.other) this.set({ mode: state.mode === "beside" ? "difference" : "beside" });
    else if (key === "/") { this.find.focus(); return true; }
    else {
      const part = PARTS.find((one, i) => one[0] === key && this.counts[i]);
      if (part) this.toggle(part);
    }
    return false;
  }
}

// What the address says is chosen; what it cannot mean is left out.
function stateOf(params) {
  const state = { ...DEFAULTS };
  const fits = { v: /^(attr|\d{1,4})$/, cut: /^[01](\.\d+)?$/, token: /^\d*$/ };
  const among = { scale: SCALES, norm: Object.keys(NORM_NOTES), unit: UNITS, agg: AGGREGATES, mode: Object.keys(MODE_NOTES) };
  for (const key of Object.keys(DEFAULTS)) {
    const value = params.get(key);
    if (value === null || (fits[key] && !fits[key].test(value)) || (among[key] && !among[key].includes(value))) continue;
    state[key] = value;
  }
  return state;
}

const SCALE_NOTES = {
  linear: "colours are linear in the weight",
  log: "colours are logarithmic, over three decades",
  rank: "colours are by rank",
  "p99.5": "colours are linear up to the 99.5th percentile; above it all are the same",
};
const NORM_NOTES = { together: "prompt and generation normalised together", apart: "prompt and generation normalised apart" };
const MODE_NOTES = { beside: "the two side by side (d)", difference: "this one minus the other, of shares (d)" };

// [[first, last], ...] -> all in them.
const expand = (ranges) => ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));

function themeColours() {
  const probe = el("span", { hidden: true });
  document.body.append(probe);
  const style = getComputedStyle(document.documentElement);
  const found = {};
  for (const name of [...PARTS, "hot", "cold", "ink", "gold", "paper"]) {
    probe.style.color = style.getPropertyValue(`--${name}`).trim();
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}
