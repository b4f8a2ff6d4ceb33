// Heatmaps on the page: scores of tokens to colours of cells. What is drawn at first was coloured by
// heat.py; here the same is done again when another hop, scale or choice of parts is asked for.
"use strict";
const STEPS = 24;
const DECADES = 3;

// Arrays of a sample, as the page's data file brings them: base64 of little-endian float32.
const arrays = new Map();
const waiting = new Map();

const exp2proc = {
  // Called by data/<id>.js.
  data(id, columns, base64) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const all = new Float32Array(bytes.buffer);
    const rows = [];
    for (let at = 0; at + columns <= all.length && columns; at += columns) rows.push(all.subarray(at, at + columns));
    if (!columns) rows.push(all);
    arrays.set(id, rows);
    for (const done of waiting.get(id) ?? []) done(rows);
    waiting.delete(id);
  },
  // The vectors of a sample, attr first; loads its data file where that is not here yet.
  vectors(id, own) {
    if (arrays.has(id)) return Promise.resolve(arrays.get(id));
    return new Promise((done, fail) => {
      waiting.set(id, [...(waiting.get(id) ?? []), done]);
      if (own) return;
      const script = document.createElement("script");
      script.src = `../data/${id}.js`;
      script.addEventListener("error", () => fail(new Error(`data/${id}.js does not load`)));
      document.head.append(script);
    });
  },
};

const finite = (value) => (Number.isFinite(value) ? value : 0);

// Levels of cells, as heat.py gives them; `size` holds |value| and `highest` is over what is shown.
function levels(values, shown, scale) {
  let highest = 0;
  for (let i = 0; i < values.length; i++) if (shown[i]) highest = Math.max(highest, Math.abs(values[i]));
  const result = new Int8Array(values.length);
  if (highest === 0) return result;
  let ranked = null;
  if (scale === "rank") {
    const sizes = [];
    for (let i = 0; i < values.length; i++) if (shown[i] && values[i] !== 0) sizes.push(Math.abs(values[i]));
    ranked = Float64Array.from(new Set(sizes)).sort();
  }
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (!shown[i] || size === 0) continue;
    let strength = size / highest;
    if (scale === "log") strength = Math.max(0, 1 + Math.log10(strength) / DECADES);
    if (scale === "rank") strength = upper(ranked, size) / ranked.length;
    result[i] = Math.sign(values[i]) * Math.ceil(strength * STEPS - 1e-9);
  }
  return result;
}

// How many entries of a sorted array are at most `value`.
function upper(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1; else high = middle;
  }
  return low;
}

const CLASSES = new Map();
for (let level = -STEPS; level <= STEPS; level++) {
  CLASSES.set(level, level > 0 ? `p${level}` : level < 0 ? `n${-level}` : "");
}

class Heatmap {
  // Wraps the markup of heatmap.html.
  constructor(root) {
    this.root = root;
    this.spans = [];
    this.starts = [];
    this.counts = [];
    this.parts = [];
    this.chunks = [];
    for (const section of root.querySelectorAll(".part")) {
      let at = Number(section.dataset.first);
      for (const block of section.querySelectorAll(".chunk")) {
        const first = this.spans.length;
        for (const span of block.children) {
          const count = Number(span.dataset.n ?? 1);
          this.starts.push(at);
          this.counts.push(count);
          this.parts.push(section.dataset.part);
          this.spans.push(span);
          at += count;
        }
        this.chunks.push({ block, first, last: this.spans.length, stale: false, near: false });
      }
      this.length = at;
    }
    this.index = new Map(this.spans.map((span, i) => [span, i]));
    this.painted = null;
    // Only what is in or near the view is repainted at once; the rest when it comes near.
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const chunk = this.byBlock.get(entry.target);
        chunk.near = entry.isIntersecting;
        if (chunk.near && chunk.stale) this.repaint(chunk);
      }
    }, { rootMargin: "800px" });
    this.byBlock = new Map(this.chunks.map((chunk) => [chunk.block, chunk]));
    for (const chunk of this.chunks) this.observer.observe(chunk.block);
  }

  // Colour by these token scores, relative to the parts that are shown.
  paint(scores, scale, hidden) {
    const values = this.values(scores);
    const shown = this.parts.map((part) => !hidden.has(part));
    this.painted = levels(values, shown, scale);
    this.cellValues = values;
    for (const section of this.root.querySelectorAll(".part")) section.hidden = hidden.has(section.dataset.part);
    for (const chunk of this.chunks) {
      chunk.stale = true;
      if (chunk.near) this.repaint(chunk);
    }
  }

  values(scores) {
    const values = new Float64Array(this.spans.length);
    for (let i = 0; i < values.length; i++) {
      for (let t = this.starts[i]; t < this.starts[i] + this.counts[i]; t++) values[i] += finite(scores[t]);
    }
    return values;
  }

  repaint(chunk) {
    chunk.stale = false;
    for (let i = chunk.first; i < chunk.last; i++) {
      const name = CLASSES.get(this.painted[i]);
      if (this.spans[i].className !== name) this.spans[i].className = name;
    }
  }

  // The cell that shows a token.
  cellOf(token) {
    return upper(this.starts, token) - 1;
  }

  textOf(cell) {
    return this.spans[cell].textContent;
  }
}
