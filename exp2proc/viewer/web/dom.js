// Making elements; nothing here ever parses markup.
"use strict";
const $ = (id) => document.getElementById(id);

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...present(children));
  return made;
}
const present = (children) => children.flat().filter((child) => child !== null && child !== undefined);
const put = (node, ...children) => node.replaceChildren(...present(children));
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// A button that says what it does in words of the page's language.
const button = (text, attributes, act) => {
  const made = el("button", { type: "button", ...attributes }, text);
  if (act) made.addEventListener("click", act);
  return made;
};

// What would be invisible or could turn the text around it is shown as a symbol: controls,
// embeddings and overrides of direction, lone surrogates. Line breaks stay.
const UNSEEN = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;
const visible = (text) => text.replace(UNSEEN, (char) => {
  const code = char.codePointAt(0);
  if (code === 9) return "→\t";
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  return code === 127 ? "␡" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
});
const oneLine = (text) => visible(text).replaceAll("\n", "↵");

// A token's text in a list or a tooltip; its direction is its own.
const tokenText = (text) => el("span", { class: "token", dir: "auto" }, oneLine(text) || "∅");

const score4 = (value) => (Number.isFinite(value) ? (value === 0 ? "0" : value.toPrecision(4)) : String(value));
const score3 = (value) => (Number.isFinite(value) ? value.toFixed(3) : "–");
const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–");
const finite = (value) => (Number.isFinite(value) ? value : 0);

// A stacked bar of shares by part.
function shareBar(shares, width = 56, height = 5) {
  const made = svg("svg", { class: "shares", viewBox: "0 0 100 4", width, height, preserveAspectRatio: "none", role: "img" });
  made.setAttribute("aria-label", PARTS.map((part, i) => `${t(TITLES[part])} ${percent(shares[i])}`).join(", "));
  let x = 0;
  PARTS.forEach((part, i) => {
    if (!(shares[i] > 0)) return;
    made.append(svg("rect", { class: `fill-${part}`, x, y: 0, width: 100 * shares[i], height: 4 }));
    x += 100 * shares[i];
  });
  return made;
}
