// Taking what is shown along: as a figure (SVG, PNG), as numbers (CSV, JSON), as text, as a link.
"use strict";
const TAKES = [
  ["Figure (SVG)", "svg"], ["Picture (PNG)", "png"], ["Tokens and scores (CSV)", "csv"], ["What is shown (JSON)", "json"],
  ["Copy as Markdown", "markdown"], ["Copy the link", "link"], ["Print", "print"],
];
const WIDE = 900, LINE = 28, MARGIN = 24, FONT = 15;
const FINEST = 0.5; // of a picture: below it nobody could read the text
const FONTS = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'Noto Color Emoji', sans-serif";

async function takeAlong(view, what) {
  const name = [view.sample.run.shown.method, view.sample.file.replace(/\.npz$/, ""), view.state.v === "attr" ? "attr" : `hop${view.state.v}`].join("-").replace(/[^\w.-]+/g, "_");
  if (what === "print") { print(); return; }
  if (what === "link") { await copy(location.href); return; }
  if (what === "markdown") { await copy(asMarkdown(view)); return; }
  if (what === "csv") save(`${name}.csv`, "text/csv", asCsv(view));
  if (what === "json") save(`${name}.json`, "application/json", JSON.stringify(asJson(view), null, 1));
  if (what === "svg") save(`${name}.svg`, "image/svg+xml", asSvg(view));
  if (what === "png") {
    const picture = await asPng(view);
    if (picture) save(`${name}.png`, "image/png", picture);
    else tell(t("This is too long for a picture: take the figure (SVG) or hide parts."));
  }
}

function save(name, type, content) {
  const link = el("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// A page opened from a folder may not write the clipboard by itself in every browser.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  tell(t("Copied."));
}

// Cells that a spreadsheet would take for a formula are made text, those with wide signs too.
const csvCell = (value) => {
  const text = value === null ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

function asCsv(view) {
  const { data } = view.panes[0];
  const names = data.vectors.map((_, i) => (i ? `hop_${i - 1}` : "attr"));
  const lines = [["index", "part", "token", ...names]];
  for (let at = 0; at < data.attr.length; at++) lines.push([at, PARTS[data.numbers[at]], data.tok?.[at] ?? null, ...data.vectors.map((vector) => vector[at])]);
  return lines.map((line) => line.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

function asJson(view) {
  const { sample, state, catalog } = view;
  return {
    sample: { name: sample.name, dataset: sample.run.shown.dataset, dataset_path: sample.run.path, model: sample.run.model, run_tag: sample.run.tag },
    scores: Object.fromEntries(catalog.scores.map(({ key }, i) => [key, Number.isFinite(view.data.scores[i]) ? view.data.scores[i] : null])),
    shown: { ...state, hidden: [...view.hidden] },
    panes: view.panes.map((pane) => ({
      name: pane.sample.name,
      units: pane.heat.units.map(({ start, stop, text, part }, i) => ({ start, stop, text, part, value: pane.values[i], level: pane.levels[i] })),
    })),
  };
}

function asMarkdown(view) {
  const pane = view.panes[0];
  const order = strongest(pane.values, pane.shown, TOP);
  const cell = (text) => oneLine(text).replaceAll("|", "\\|").replaceAll("`", "ˋ");
  const strong = new Set(order);
  const text = pane.heat.units.map(({ text: one }, i) => {
    const [, before, inside, after] = /^(\s*)([\s\S]*?)(\s*)$/.exec(one);
    const escaped = inside.replace(/[\\`*_{}[\]<>#|]/g, "\\$&");
    return strong.has(i) && inside ? `${before}**${escaped}**${after}` : before + escaped + after;
  }).join("");
  return [`**${titleOf(view)}**`, "", "| token | text | part | score |", "| ---: | --- | --- | ---: |",
    ...order.map((i) => { const { start, text: one, part } = pane.heat.units[i]; return `| ${start} | \`${cell(one)}\` | ${part} | ${score4(pane.values[i])} |`; }), "", text, ""].join("\n");
}

// Lines of boxes: what both figures draw. Right-to-left lines run from the right.
function figureLayout(view) {
  const pen = el("canvas").getContext("2d");
  pen.font = `${FONT}px ${FONTS}`;
  const lines = [];
  const pane = view.panes[0];
  const last = pane.heat.units.length;
  let line = null, part = null;
  const open = (kind) => lines.push((line = { kind, boxes: [], x: 0 }));
  for (let i = 0; i < last; i++) {
    if (!pane.shown[i]) continue;
    const unit = pane.heat.units[i];
    if (unit.part !== part) {
      part = unit.part;
      open("title");
      line.boxes.push({ text: t(TITLES[part]), x: 0, wide: 0, part });
      open("text");
    }
    const pieces = visible(unit.text).replaceAll("\t", "    ").split("\n");
    pieces.forEach((piece, nth) => {
      if (nth) open("text");
      for (const text of pieces_(piece, pen)) {
        const wide = pen.measureText(text).width;
        if (line.x + wide > WIDE && line.x > 0) open("text");
        line.boxes.push({ text, x: line.x, wide, level: pane.levels[i], part });
        line.x += wide;
      }
    });
  }
  return lines;
}

// A piece that is wider than a line is cut.
function pieces_(text, pen) {
  if (pen.measureText(text).width <= WIDE) return text ? [text] : [];
  const found = [];
  let open = "";
  for (const char of text) {
    if (pen.measureText(open + char).width > WIDE) { found.push(open); open = ""; }
    open += char;
  }
  return [...found, open];
}

const RTL = /^[^\p{L}]*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/u;

// The boxes with their places: [{text, x, y, wide, fill, rtl, part}] and the height of all.
function figureBoxes(view) {
  const probe = el("span"), fills = new Map();
  view.panes[0].heat.root.append(el("div", { class: "chunk" }, el("span", { class: "run" }, probe)));
  const fillOf = (level) => {
    if (!fills.has(level)) { probe.className = CLASSES.get(level); fills.set(level, asHex(getComputedStyle(probe).backgroundColor)); }
    return fills.get(level);
  };
  const boxes = [];
  let y = MARGIN + 44;
  for (const { kind, boxes: inside } of figureLayout(view)) {
    if (kind === "title") y += 8;
    const rtl = kind === "text" && RTL.test(inside.map(({ text }) => text).join(""));
    for (const { text, x, wide, level, part } of inside) {
      boxes.push({ kind, text, part, rtl, wide, y, x: MARGIN + (rtl ? WIDE - x - wide : x), fill: level ? fillOf(level) : null });
    }
    y += LINE;
  }
  probe.closest(".chunk").remove();
  return { boxes, height: y + MARGIN };
}

// What a browser computes (oklab, rgba) as #rrggbb over the paper, which every program reads.
function asHex(colour) {
  const pen = el("canvas", { width: "1", height: "1" }).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = themeColours().paper;
  pen.fillRect(0, 0, 1, 1);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return `#${[...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((n) => n.toString(16).padStart(2, "0")).join("")}`;
}

// What the numbers are: of which sample and vector, and how they became colours.
function titleOf(view) {
  const { sample, other, state } = view;
  const name = other && state.mode === "difference" ? t("{0} minus {1}, of shares", sample.name, other.sample.name) : sample.name;
  return `${name} · ${state.v === "attr" ? t("row attribution") : t("hop {0}", state.v)}`;
}
const notesOf = ({ state }) => [t(SCALE_NOTES[state.scale]), t(NORM_NOTES[state.norm]), Number(state.cut) > 0 ? t("below {0} of the highest nothing is coloured", percent(Number(state.cut))) : null].filter(Boolean).join(t("; "));

function asSvg(view) {
  const { boxes, height } = figureBoxes(view), colours = themeColours();
  for (const key of Object.keys(colours)) colours[key] = asHex(colours[key]);
  const made = svg("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${WIDE + 2 * MARGIN} ${height}`, width: WIDE + 2 * MARGIN, height, "font-family": FONTS, "font-size": FONT });
  const text = (content, x, y, attributes) => svg("text", { x: x.toFixed(2), y, "xml:space": "preserve", ...attributes }, content.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd"));
  made.append(svg("title", {}, titleOf(view)), svg("rect", { width: "100%", height: "100%", fill: colours.paper }), text(titleOf(view), MARGIN, MARGIN + 6, { fill: colours.ink, "font-weight": "600" }),
    text(notesOf(view), MARGIN, MARGIN + 26, { fill: colours.ink, "font-size": FONT - 3 }));
  for (const { text: content, x, y, wide, fill, rtl, kind, part } of boxes) {
    if (fill) made.append(svg("rect", { x: x.toFixed(2), y: y - FONT - 3, width: wide.toFixed(2), height: LINE - 6, rx: 3, fill }));
    made.append(text(content, rtl ? x + wide : x, y, { fill: kind === "title" ? colours[part] : colours.ink, "font-weight": kind === "title" ? "600" : null, direction: rtl ? "rtl" : null }));
  }
  return new XMLSerializer().serializeToString(made);
}

// Null where it would be too small to be read.
function asPng(view) {
  const { boxes, height } = figureBoxes(view), colours = themeColours();
  const wide = WIDE + 2 * MARGIN, scale = Math.min(2, 16_000 / height);
  if (scale < FINEST) return null;
  const canvas = el("canvas", { width: Math.floor(wide * scale), height: Math.floor(height * scale) });
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, wide, height);
  const font = (weight) => { pen.font = `${weight} ${FONT}px ${FONTS}`; };
  font(600);
  pen.fillStyle = colours.ink;
  pen.fillText(titleOf(view), MARGIN, MARGIN + 6);
  pen.font = `${FONT - 3}px ${FONTS}`;
  pen.fillText(notesOf(view), MARGIN, MARGIN + 26);
  for (const { text, x, y, wide: width, fill, rtl, kind, part } of boxes) {
    if (fill) { pen.fillStyle = fill; pen.beginPath(); pen.roundRect(x, y - FONT - 3, width, LINE - 6, 3); pen.fill(); }
    font(kind === "title" ? 600 : 400);
    pen.fillStyle = kind === "title" ? colours[part] : colours.ink;
    pen.direction = rtl ? "rtl" : "ltr";
    pen.fillText(text, rtl ? x + width : x, y);
  }
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
