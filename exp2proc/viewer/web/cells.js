// Token pieces to cells: what is drawn as one, so that a character is shown once. The same rules as
// cells.py, which says why; a test holds the two against each other.
"use strict";
const utf8Length = (char) => { const code = char.codePointAt(0); return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; };

// [{start, stop, text}] of pieces, in order, none left out.
function cellsOf(pieces) {
  const chars = pieces.map((piece) => Array.from(piece));
  const chains = chainsOf(chars);
  const units = unitsOfChains(chars, chains);
  const joined = new Uint8Array(pieces.length), hidden = new Uint8Array(pieces.length);
  for (const { first, last, char } of chains) {
    const unit = units.get(char);
    for (let at = first; at < last; at++) {
      if ((at - first + 1) % unit === 0) continue;
      joined[at] = 1;
      hidden[at + 1] = 1; // its first character is shown by the cell's beginning
    }
  }
  const cells = [];
  for (let start = 0, at = 0; at < pieces.length; at++) {
    if (joined[at]) continue;
    let text = "";
    for (let i = start; i <= at; i++) text += hidden[i] ? chars[i].slice(1).join("") : pieces[i];
    cells.push({ start, stop: at + 1, text });
    start = at + 1;
  }
  return cells;
}

// Neighbouring pieces that each end or begin with the same character.
function chainsOf(chars) {
  const chains = [], end = chars.length - 1;
  for (let at = 0; at < end;) {
    const char = chars[at].at(-1);
    if (char === undefined || char < "\x80" || chars[at + 1][0] !== char) { at++; continue; }
    let last = at + 1;
    while (last < end && chars[last].length === 1 && chars[last + 1][0] === char) last++;
    chains.push({ first: at, last, char });
    at = last;
  }
  return chains;
}

// How many tokens make up each repeated character; 1 where its repetitions are real.
function unitsOfChains(chars, chains) {
  const units = new Map();
  for (const { first, last, char } of chains) units.set(char, Math.min(units.get(char) ?? utf8Length(char), last - first + 1));
  const ending = new Set(chains.map(({ first }) => first)), beginning = new Set(chains.map(({ last }) => last)), inner = new Set();
  for (const { first, last } of chains) for (let at = first + 1; at < last; at++) inner.add(at);
  chars.forEach((piece, at) => {
    if (inner.has(at)) return;
    const whole = piece.slice(beginning.has(at) ? 1 : 0, ending.has(at) ? -1 : undefined);
    for (const char of whole) if (units.has(char)) units.set(char, 1);
  });
  return units;
}
