// Units as coloured text. It lies in chunks of whole lines that the browser lays out when they come
// near the view, and in these in runs, of which only those near the view are repainted at once: a
// long sample changes hop as fast as a short one.
"use strict";
const RUN = 120;
const CLASSES = new Map();
for (let level = -STEPS; level <= STEPS; level++) CLASSES.set(level, level > 0 ? `p${level}` : level < 0 ? `n${-level}` : "");

class Heatmap {
  // `root` is filled with the units; `name` is for who hears the page.
  constructor(root, units, name, marks) {
    this.root = root;
    this.units = units;
    this.marks = marks; // units that hold the answer
    this.spans = [];
    this.runs = [];
    this.chunks = [];
    this.sections = [];
    root.replaceChildren();
    root.className = "heat";
    this.draw(marks);
    this.at = -1;
    this.index = new Map(this.spans.map((span, i) => [span, i]));
    const byBox = new Map(this.runs.map((run) => [run.box, run]));
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const run = byBox.get(target);
        run.near = isIntersecting;
        if (run.near && run.stale) this.repaint(run);
      }
    }, { rootMargin: "800px" });
    for (const { box } of this.runs) this.observer.observe(box);
    root.setAttribute("role", "application");
    root.setAttribute("aria-label", name);
    root.setAttribute("aria-roledescription", t("tokens, read with the arrow keys"));
    root.tabIndex = 0;
  }

  // One section a stretch of a part.
  draw(marks) {
    let section = null, chunk = null, run = null, count = 0;
    this.units.forEach((unit, i) => {
      if (!section || section.part !== unit.part) {
        section = { part: unit.part, first: unit.start, last: unit.stop - 1, title: el("small", {}) };
        section.box = el("section", { class: `part ${unit.part}` }, el("h3", {}, el("b", {}, t(TITLES[unit.part])), " ", section.title));
        this.sections.push(section);
        this.root.append(section.box);
        chunk = null;
      }
      section.last = unit.stop - 1;
      // A chunk ends where the text breaks its line, and nowhere else: it is a paragraph.
      if (!chunk || (count >= RUN && this.endsLine(i - 1))) {
        chunk = { box: el("div", { class: "chunk", dir: "auto" }), runs: [] };
        this.chunks.push(chunk);
        section.box.append(chunk.box);
        run = null;
        count = 0;
      }
      if (!run || run.last - run.first >= RUN) {
        run = { box: el("span", { class: "run" }), first: i, last: i, stale: true, near: false };
        this.runs.push(run);
        chunk.runs.push(run);
        chunk.box.append(run.box);
      }
      const span = el("span", {}, ...this.text(unit.text));
      if (marks.has(i)) span.dataset.gold = "";
      this.spans.push(span);
      run.box.append(span);
      run.last = i + 1;
      count++;
    });
    for (const { title, first, last } of this.sections) title.textContent = t("tokens {0}–{1}", first, last);
  }

  endsLine(i) {
    return this.units[i].text.endsWith("\n");
  }

  text(text) {
    const [line, ...more] = visible(text).split("\n");
    return [line, ...more.flatMap((next) => [el("u", {}), "\n", next])];
  }

  paint(painted, hidden) {
    this.painted = painted;
    for (const { part, box } of this.sections) box.hidden = hidden.has(part);
    for (const run of this.runs) {
      run.stale = true;
      if (run.near) this.repaint(run);
    }
  }

  repaint(run) {
    run.stale = false;
    for (let i = run.first; i < run.last; i++) {
      const name = CLASSES.get(this.painted[i]);
      if (this.spans[i].className !== name) this.spans[i].className = name;
    }
  }

  // Everything painted, for printing and for whoever reads the page's classes.
  paintAll() {
    for (const run of this.runs) if (run.stale) this.repaint(run);
  }

  // The unit that shows a token.
  unitOf(token) {
    let low = 0, high = this.units.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.units[middle].start <= token) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  // Mark the unit that is read.
  stand(i) {
    if (this.at >= 0) this.spans[this.at]?.removeAttribute("data-at");
    this.at = i;
    if (i >= 0) this.spans[i]?.setAttribute("data-at", "");
  }

  show(i, block = "center") {
    this.spans[i]?.scrollIntoView({ block });
  }

  // The unit above or below one, by where they stand.
  beside(i, down) {
    const from = this.spans[i]?.getBoundingClientRect();
    if (!from) return 0;
    const x = from.left + from.width / 2;
    let best = i, nearest = Infinity, row = null;
    for (let j = i; (j += down ? 1 : -1) >= 0 && j < this.spans.length;) {
      if (this.spans[j].closest("[hidden]")) continue;
      const box = this.spans[j].getBoundingClientRect();
      if (!box.width || Math.abs(box.top - from.top) < 4) continue;
      row ??= box.top;
      if (Math.abs(box.top - row) > 4) break;
      const away = Math.abs(box.left + box.width / 2 - x);
      if (away < nearest) [best, nearest] = [j, away];
    }
    return best;
  }

  // The runs between two heights of the window. Chunks are asked first: a run whose chunk is far
  // away has no place until the browser lays it out, which takes long for all of them.
  between(top, bottom) {
    const isThere = ({ box }) => { const { height, top: from, bottom: to } = box.getBoundingClientRect(); return height && to > top && from < bottom; };
    return this.chunks.filter(isThere).flatMap(({ runs }) => runs).filter(isThere);
  }

  close() {
    this.observer.disconnect();
  }
}
