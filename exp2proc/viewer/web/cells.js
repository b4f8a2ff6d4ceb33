// Token pieces to cells: what is drawn as one, so that a character is shown once. The same rules as
// cells.py, which says why; a test holds the two against each other.
"use strict";
const START = "", AFTER_SPACE = " ";
const MOST = 3; // tokens that one character may take where tokens are not single bytes
const placed = (place, char) => `${place}/${char}`;
const utf8Length = (char) => { const code = char.codePointAt(0); return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; };

// [{start, stop, text}] of pieces, in order, none left out.
function cellsOf(pieces) {
  const chars = pieces.map((piece) => Array.from(piece));
  const chains = chainsOf(chars);
  const sizes = cellSizes(chains, seenWhole(chars, chains));
  const joined = new Uint8Array(pieces.length), hidden = new Uint8Array(pieces.length);
  for (const { first, last, char, place } of chains) {
    const begin = sizes.get(placed(place, char)), then = sizes.get(placed(START, char)) ?? begin;
    for (let at = first; at < last; at++) {
      const before = at - first + 1;
      if (before >= begin && (before - begin) % then === 0) continue;
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
    if (!mayShare(chars[at], chars[at + 1])) { at++; continue; }
    const char = chars[at].at(-1);
    let last = at + 1;
    while (last < end && chars[last].length === 1 && mayShare([char], chars[last + 1])) last++;
    chains.push({ first: at, last, char, place: chars[at].at(-2) === " " ? AFTER_SPACE : START });
    at = last;
  }
  return chains;
}

// Whether the last character of a piece may be the first of the one that follows.
function mayShare(piece, following) {
  const char = piece.at(-1);
  if (char === undefined || char < "\x80" || following[0] !== char) return false;
  return piece.at(-2) !== char && following[1] !== char;
}

// Places and characters of `chains` that also stand in a single token somewhere.
function seenWhole(chars, chains) {
  const wanted = new Set(chains.map(({ char }) => char)), whole = new Set();
  if (!wanted.size) return whole;
  const ending = new Set(chains.map(({ first }) => first)), beginning = new Set(chains.map(({ last }) => last)), inner = new Set();
  for (const { first, last } of chains) for (let at = first + 1; at < last; at++) inner.add(at);
  chars.forEach((piece, at) => {
    if (inner.has(at)) return;
    const stop = ending.has(at) ? piece.length - 1 : piece.length;
    for (let i = beginning.has(at) ? 1 : 0; i < stop; i++) {
      if (wanted.has(piece[i])) whole.add(placed(i > 0 && piece[i - 1] === " " ? AFTER_SPACE : START, piece[i]));
    }
  });
  return whole;
}

// How many tokens make up a character in its place; 1 where its repetitions are real.
function cellSizes(chains, whole) {
  const lengthOf = ({ first, last }) => last - first + 1;
  const inBytes = chains.every((chain) => chain.place === START && lengthOf(chain) % utf8Length(chain.char) === 0);
  const gcd = (a, b) => { while (b) [a, b] = [b, a % b]; return a; };
  const lengths = new Map(), sizes = new Map([...whole].map((key) => [key, 1]));
  for (const chain of chains) {
    const key = placed(chain.place, chain.char), length = lengthOf(chain), known = lengths.get(key)?.length ?? length;
    lengths.set(key, { ...chain, length: chain.place === START ? gcd(known, length) : Math.min(known, length) });
  }
  for (const [key, { place, char, length }] of lengths) {
    if (whole.has(key)) continue;
    const size = utf8Length(char);
    let found = Math.min(length, inBytes ? size : Math.min(size, MOST));
    while (place === START && length % found) found--;
    sizes.set(key, found);
  }
  return sizes;
}
