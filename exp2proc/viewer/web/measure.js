// Numbers of what is shown, pure: parts, shares, levels of heat, ranks. `level` and `shares` do what
// heat.py and shares.py do; tests hold them against each other.
"use strict";
const STEPS = 24;
const DECADES = 3;
const PARTS = ["in", "cot", "out", "rest"];
const TITLES = { in: "Input", cot: "CoT", out: "Output", rest: "Rest" };
const SCALES = ["linear", "log", "rank", "p99.5"];

// The part of each token, as a number; a token of both CoT and output is output.
function partNumbers(length, spans) {
  const numbers = new Uint8Array(length).fill(PARTS.indexOf("rest"));
  PARTS.forEach((part, number) => {
    const [first, last] = spans[part] ?? [-1, -1];
    if (first >= 0) numbers.fill(number, first, last + 1);
  });
  return numbers;
}

// The share of the absolute attribution in each part; NaN when there is none at all.
function sharesOf(scores, numbers) {
  const mass = [0, 0, 0, 0];
  for (let i = 0; i < scores.length; i++) mass[numbers[i]] += Math.abs(finite(scores[i]));
  const total = mass[0] + mass[1] + mass[2] + mass[3];
  return mass.map((one) => (total ? one / total : NaN));
}

// The sum of |score| over all tokens.
function massOf(scores) {
  let total = 0;
  for (let i = 0; i < scores.length; i++) total += Math.abs(finite(scores[i]));
  return total;
}

// Values of units from scores of tokens: by sum, mean, or the strongest of them.
function unitValues(scores, units, how) {
  const values = new Float64Array(units.length);
  units.forEach(({ start, stop }, i) => {
    let value = 0;
    for (let at = start; at < stop; at++) {
      const score = finite(scores[at]);
      if (how === "max") value = Math.abs(score) > Math.abs(value) ? score : value;
      else value += score;
    }
    values[i] = how === "mean" ? value / (stop - start) : value;
  });
  return values;
}

// Where |value| counts as the highest: of the group that a unit is normalised with.
function highestOf(values, shown, scale) {
  const sizes = [];
  let highest = 0;
  for (let i = 0; i < values.length; i++) {
    if (!shown[i]) continue;
    const size = Math.abs(values[i]);
    highest = Math.max(highest, size);
    if (scale === "p99.5") sizes.push(size);
  }
  if (scale !== "p99.5" || !sizes.length) return highest;
  return percentile(Float64Array.from(sizes).sort(), 0.995) || highest;
}

// As numpy.percentile with linear interpolation; of sorted values.
function percentile(sorted, fraction) {
  const at = fraction * (sorted.length - 1), low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

// Levels from -STEPS to STEPS of what is shown. `cut` is a share of the highest: below it nothing
// is coloured.
function levels(values, shown, scale, cut = 0, highest = highestOf(values, shown, scale)) {
  const result = new Int8Array(values.length);
  if (highest === 0) return result;
  let ranked = null;
  if (scale === "rank") {
    const sizes = new Set();
    for (let i = 0; i < values.length; i++) if (shown[i] && values[i] !== 0) sizes.add(Math.abs(values[i]));
    ranked = Float64Array.from(sizes).sort();
  }
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (!shown[i] || size === 0 || size < cut * highest) continue;
    let strength = Math.min(1, size / highest);
    if (scale === "log") strength = Math.max(0, 1 + Math.log10(strength) / DECADES);
    if (scale === "rank") strength = upper(ranked, size) / ranked.length;
    result[i] = Math.sign(values[i]) * Math.ceil(strength * STEPS - 1e-9);
  }
  return result;
}

// Levels where prompt and generation are normalised apart.
function levelsApart(values, shown, parts, scale, cut) {
  const result = new Int8Array(values.length);
  for (const prompt of [true, false]) {
    const mine = shown.map((one, i) => one && (parts[i] === "in") === prompt);
    levels(values, mine, scale, cut).forEach((level, i) => { if (mine[i]) result[i] = level; });
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

// The `most` units of highest |value|, the strongest first, ties in order; those of value 0 are left
// out. Only what may be among them is put in order: a number is quick to sort, a unit is not.
function strongest(values, shown, most) {
  const sizes = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) if (shown[i]) sizes[i] = Math.abs(values[i]);
  const least = Float64Array.from(sizes).sort()[Math.max(0, sizes.length - most)];
  const order = [];
  for (let i = 0; i < sizes.length; i++) if (sizes[i] > 0 && sizes[i] >= least) order.push(i);
  return order.sort((a, b) => sizes[b] - sizes[a] || a - b).slice(0, most);
}

// Ranks from 1, ties with the mean of theirs.
function ranks(values) {
  const order = Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const result = new Float64Array(values.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j + 1 < order.length && values[order[j + 1]] === values[order[i]]) j++;
    for (let k = i; k <= j; k++) result[order[k]] = (i + j) / 2 + 1;
    i = j + 1;
  }
  return result;
}

// Spearman's rank correlation; NaN where one side is constant.
function rankCorrelation(a, b) {
  const x = ranks(a), y = ranks(b), middle = (x.length + 1) / 2;
  let xy = 0, xx = 0, yy = 0;
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) ** 2;
    yy += (y[i] - middle) ** 2;
  }
  return xx && yy ? xy / Math.sqrt(xx * yy) : NaN;
}

// How many of the k strongest of both are the same, and how many there could be.
function overlap(a, b, shown, k) {
  const first = strongest(a, shown, k), second = new Set(strongest(b, shown, k));
  return [first.filter((unit) => second.has(unit)).length, Math.min(k, Math.max(first.length, second.size))];
}

// Recovery@k%: of the gold tokens those among the k % highest scores of the prompt tokens that
// count, as exp2 computes it. `gold` = {gold: [indices], among: [indices]}.
function recoveryAt(scores, { gold, among }, share) {
  const wanted = new Set(gold), eligible = among.filter((token) => token < scores.length);
  const there = eligible.filter((token) => wanted.has(token)).length;
  if (!there) return NaN;
  const order = eligible.sort((a, b) => finite(scores[b]) - finite(scores[a]) || a - b);
  const top = order.slice(0, Math.max(1, Math.ceil(share * order.length - 1e-9)));
  return top.filter((token) => wanted.has(token)).length / there;
}

// Counts of |value| in equal bins up to the highest, of what is shown and not 0.
function histogram(values, shown, bins) {
  const highest = highestOf(values, shown, "linear");
  const counts = new Array(bins).fill(0);
  if (highest === 0) return counts;
  for (let i = 0; i < values.length; i++) {
    if (!shown[i] || values[i] === 0) continue;
    counts[Math.min(bins - 1, Math.floor((Math.abs(values[i]) / highest) * bins))]++;
  }
  return counts;
}
