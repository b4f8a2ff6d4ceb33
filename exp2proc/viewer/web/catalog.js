// What there is: runs, samples, what is known of each. Sources add to it while they read; who shows
// it is told. A sample is known by its name, so that an address stays good when all is built again.
"use strict";
class Catalog {
  constructor() {
    this.scores = [];
    this.runs = [];
    this.samples = [];
    this.texts = new Map(); // key of a text -> its samples
    this.snippets = new Map();
    this.byName = new Map();
    this.complete = false;
    this.listeners = new Set();
  }

  // A message of a source; every part is optional. Python makes the same (`facts.py`).
  add({ scores, runs, samples, facts, failed, done }) {
    if (scores) this.scores = scores;
    for (const run of runs ?? []) {
      const parts = [run.dataset, run.model, run.tag].map((name) => name || "?");
      this.runs.push({ ...run, at: this.runs.length, shown: { dataset: parts[0], model: parts[1], method: run.method || "?" }, samples: [] });
    }
    for (const [run, file, id] of samples ?? []) {
      const { path, model, tag } = this.runs[run];
      const base = [path, model, tag, file].filter(Boolean).join("/");
      let name = base;
      for (let n = 2; this.byName.has(name); n++) name = `${base} (${n})`; // two zips may hold the same path
      const sample = { at: this.samples.length, run: this.runs[run], file, id, name, facts: null, why: null };
      this.samples.push(sample);
      this.byName.set(name, sample);
      sample.run.samples.push(sample);
    }
    for (const [at, text, tokens, hops, shares, values, snippet, gold] of facts ?? []) {
      const sample = this.samples[at];
      const numbers = (all) => all.map((value) => (value === null ? NaN : value));
      sample.facts = { text, tokens, hops, shares: numbers(shares), scores: numbers(values), gold: gold ?? null };
      if (snippet) this.snippets.set(text, snippet);
      if (!this.texts.has(text)) this.texts.set(text, []);
      this.texts.get(text).push(sample);
    }
    for (const [at, why] of failed ?? []) this.samples[at].why = why;
    if (done) this.complete = true;
    for (const listener of this.listeners) listener();
  }

  get failures() {
    return this.samples.filter(({ why }) => why !== null);
  }

  // The samples of the same text, this one among them, in the order of their names.
  sameText(sample) {
    return [...(this.texts.get(sample.facts?.text) ?? [sample])].sort((a, b) => a.at - b.at);
  }

  // What tells a sample from the others of its text.
  labels(samples) {
    const tries = [(run) => run.method, (run) => run.tag, (run) => `${run.model} ${run.tag}`, (run) => `${run.dataset} ${run.model} ${run.tag}`];
    for (const name of tries) {
      const names = samples.map(({ run }) => name(run) || "?");
      if (new Set(names).size === names.length) return names;
    }
    return samples.map(({ name }) => name);
  }
}

// Which values of the list a run has in its summary: as the command `summary` computes them.
function estimate(values) {
  const present = values.filter((value) => !Number.isNaN(value));
  const n = present.length;
  if (!n) return { n, mean: NaN, sem: NaN };
  const mean = present.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { n, mean, sem: NaN };
  const variance = present.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { n, mean, sem: Math.sqrt(variance / n) };
}

// The rows of the score table: one a run, with the best of each dataset and model marked.
function scoreTable(catalog) {
  const rows = catalog.runs.map((run) => {
    const known = run.samples.filter(({ facts }) => facts);
    const values = catalog.scores.map((_, i) => known.map(({ facts }) => facts.scores[i]));
    const partial = run.promised !== null && known.length < run.promised;
    return { run, count: known.length, partial, values, estimates: values.map(estimate), best: new Set() };
  }).filter(({ count }) => count);
  const keyOf = ({ run }) => `${run.path}\n${run.model}`;
  const groups = Map.groupBy ? Map.groupBy(rows, keyOf) : rows.reduce((all, row) => all.set(keyOf(row), [...(all.get(keyOf(row)) ?? []), row]), new Map());
  for (const group of groups.values()) {
    const whole = group.filter(({ partial }) => !partial);
    const methods = group.map(({ run }) => run.method);
    for (const row of group) row.label = methods.filter((one) => one === row.run.method).length === 1 ? row.run.shown.method : row.run.tag || "?";
    catalog.scores.forEach(({ higher }, i) => {
      const means = whole.map(({ estimates }) => estimates[i].mean).filter((mean) => !Number.isNaN(mean));
      if (means.length < 2) return;
      const best = higher ? Math.max(...means) : Math.min(...means);
      for (const row of whole) if (row.estimates[i].mean === best) row.best.add(i);
    });
  }
  return rows;
}
