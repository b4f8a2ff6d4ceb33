// What is shown as one: tokens, or the words, lines and sentences that they make up. A unit is whole
// cells of one part: where a word ends inside a cell, the unit goes on to the next common border.
"use strict";
const UNITS = ["tokens", "words", "sentences", "lines"];

// [{start, stop, text, part}] of a sample's cells; `kind` is one of UNITS.
function unitsOf(cells, numbers, kind) {
  const whole = cells.map(({ start, stop, text }) => ({ start, stop, text, part: PARTS[numbers[start]] }));
  if (kind === "tokens") return whole;
  const text = whole.map((cell) => cell.text).join("");
  const ends = borders(text, kind);
  const units = [];
  let at = 0, open = null;
  for (const cell of whole) {
    if (open && open.part !== cell.part) open = null;
    if (!open) units.push((open = { ...cell, text: "" }));
    open.stop = cell.stop;
    open.text += cell.text;
    at += cell.text.length;
    if (ends.has(at)) open = null;
  }
  return units;
}

// Where units of a text end, in UTF-16 units.
function borders(text, kind) {
  const ends = new Set();
  if (kind === "lines") {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) ends.add(at + 1);
    return ends;
  }
  const segmenter = new Intl.Segmenter(undefined, { granularity: kind === "words" ? "word" : "sentence" });
  // Line by line: a sentence does not go over an empty line, and the segmenter takes long texts slowly.
  let from = 0;
  for (const line of text.split(/(?<=\n)/)) {
    for (const { segment, index } of segmenter.segment(line)) ends.add(from + index + (kind === "words" ? segment.length : segment.replace(BLANKS, "").length));
    from += line.length;
  }
  if (kind === "words") dropBlankEnds(text, ends);
  return ends;
}

// A space belongs to the word or sentence after it, as tokenizers have it: " two" is one unit.
const BLANKS = /[^\S\n]+$/;
function dropBlankEnds(text, ends) {
  for (const end of [...ends]) if (/[^\S\n]/.test(text[end - 1]) && /\S/.test(text[end] ?? "")) ends.delete(end);
}
