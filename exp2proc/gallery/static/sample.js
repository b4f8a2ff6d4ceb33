// One sample's page: choose a vector, a scale, parts; look at tokens; put another method beside it.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const typing = (event) => event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select") || byId("help").open;
  const follow = (id) => { const link = byId(id); if (link?.href) location.href = link.href; };

  addEventListener("keydown", (event) => {
    if (typing(event)) return;
    if (event.key === "ArrowLeft") follow("prev");
    if (event.key === "ArrowRight") follow("next");
    if (event.key === "g") location.href = "../index.html";
  });
  if (!byId("page")) return; // a page that says why its file is not shown

  const page = JSON.parse(byId("page").textContent);
  const PARTS = ["in", "cot", "out", "rest"];
  const NAMES = { in: "Input", cot: "CoT", out: "Output", rest: "Rest" };
  const buttons = [...byId("vectors").children];
  const scaleButtons = [...byId("scales").children];
  const partButtons = [...byId("parts").children];
  const state = { hop: -1, scale: "linear", hidden: new Set(), beside: "" };
  const panes = []; // {heat, rows, id}; the first is the page's own
  const nameOf = (hop) => (hop < 0 ? "attr" : `hop ${hop}`);
  const number = (value) => (Number.isFinite(value) ? value.toPrecision(4) : String(value));
  const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);
  const element = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const rowOf = (pane) => pane.rows[Math.min(state.hop + 1, pane.rows.length - 1)] ?? [];

  // --- where the mass goes
  function showWhere(hop) {
    byId("where-name").textContent = nameOf(hop);
    const shares = page.shares[hop + 1];
    byId("where").replaceChildren(...PARTS.flatMap((part, i) => {
      if (part === "rest" && !shares[i]) return [];
      const row = element("div", "share");
      const track = element("span", "track");
      const fill = element("span", `fill-${part}`);
      fill.style.width = `${100 * (shares[i] ?? 0)}%`;
      track.append(fill);
      row.append(element("span", "", NAMES[part]), track, element("b", "", percent(shares[i])));
      return [row];
    }));
  }

  // --- the strongest tokens
  function showTop() {
    const { heat, rows } = panes[0];
    if (!rows.length) return;
    const order = [];
    for (let cell = 0; cell < heat.spans.length; cell++) {
      if (!state.hidden.has(heat.parts[cell]) && heat.cellValues[cell] !== 0) order.push(cell);
    }
    order.sort((a, b) => heat.cellValues[b] - heat.cellValues[a] || a - b);
    const highest = Math.abs(heat.cellValues[order[0]] ?? 1) || 1;
    byId("top").replaceChildren(...order.slice(0, 20).map((cell) => {
      const item = element("li", heat.parts[cell]);
      const button = element("button", "");
      button.type = "button";
      button.dataset.token = heat.starts[cell];
      const bar = element("i", `fill-${heat.parts[cell]}`);
      bar.style.width = `${Math.max(2, 100 * Math.abs(heat.cellValues[cell]) / highest)}%`;
      button.append(element("small", "", heat.starts[cell]), label(heat.textOf(cell)), element("b", "", number(heat.cellValues[cell])), bar);
      item.append(button);
      return item;
    }));
  }
  function label(text) {
    const made = element("span", "token", text.replaceAll("\n", "↵"));
    made.dir = "auto";
    return made;
  }

  // --- the profile: all tokens as one strip
  const canvas = byId("profile");
  function drawProfile() {
    const { heat } = panes[0];
    const width = canvas.clientWidth, ratio = devicePixelRatio || 1, height = 36;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => resolve(style.getPropertyValue(name).trim());
    const fills = Object.fromEntries(PARTS.map((part) => [part, colour(`--${part}`)]));
    const hot = colour("--hot"), cold = colour("--cold");
    const peaks = new Float64Array(width);
    const parts = new Array(width).fill(null);
    for (let cell = 0; cell < heat.spans.length; cell++) {
      const from = Math.floor((heat.starts[cell] / heat.length) * width);
      const to = Math.max(from + 1, Math.floor(((heat.starts[cell] + heat.counts[cell]) / heat.length) * width));
      for (let x = from; x < to && x < width; x++) {
        if (Math.abs(heat.painted[cell]) > Math.abs(peaks[x])) peaks[x] = heat.painted[cell];
        parts[x] = heat.parts[cell];
      }
    }
    for (let x = 0; x < width; x++) {
      if (!parts[x]) continue;
      pen.fillStyle = fills[parts[x]];
      pen.globalAlpha = state.hidden.has(parts[x]) ? 0.25 : 1;
      pen.fillRect(x, height - 3, 1, 3);
      pen.globalAlpha = 1;
      if (!peaks[x]) continue;
      const tall = (Math.abs(peaks[x]) / STEPS) * (height - 6);
      pen.fillStyle = peaks[x] > 0 ? hot : cold;
      pen.fillRect(x, height - 5 - tall, 1, tall);
    }
  }
  const probe = element("span");
  probe.hidden = true;
  document.body.append(probe);
  function resolve(colour) {
    probe.style.color = colour;
    return getComputedStyle(probe).color;
  }
  canvas.addEventListener("click", (event) => {
    const { heat } = panes[0];
    goTo(Math.floor((event.offsetX / canvas.clientWidth) * heat.length));
  });
  addEventListener("resize", drawProfile);
  document.documentElement.addEventListener("theme", drawProfile);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawProfile);

  function goTo(token) {
    for (const { heat } of panes) {
      const span = heat.spans[heat.cellOf(token)];
      span?.scrollIntoView({ block: "center" });
      span?.classList.add("found");
      setTimeout(() => span?.classList.remove("found"), 1200);
    }
  }
  byId("top").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) goTo(Number(button.dataset.token));
  });

  // --- painting
  function paint() {
    for (const pane of panes) if (pane.rows.length) pane.heat.paint(rowOf(pane), state.scale, state.hidden);
    for (const pane of panes) {
      if (pane.head) pane.head.querySelector("i").textContent = nameOf(Math.min(state.hop, pane.rows.length - 2));
    }
    showWhere(state.hop);
    showTop();
    drawProfile();
  }
  const press = (all, chosen) => { for (const one of all) one.setAttribute("aria-pressed", String(one === chosen)); };
  function setHop(hop) {
    if (hop < -1 || hop + 1 >= buttons.length) return;
    state.hop = hop;
    press(buttons, buttons[hop + 1]);
    paint();
  }
  function setScale(button) {
    state.scale = button.dataset.scale;
    press(scaleButtons, button);
    paint();
  }
  function togglePart(button) {
    const { part } = button.dataset;
    if (!state.hidden.delete(part)) state.hidden.add(part);
    button.setAttribute("aria-pressed", String(!state.hidden.has(part)));
    paint();
  }
  for (const button of buttons) {
    button.addEventListener("click", () => setHop(Number(button.dataset.hop)));
    for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => showWhere(Number(button.dataset.hop)));
    for (const kind of ["pointerleave", "blur"]) button.addEventListener(kind, () => showWhere(state.hop));
  }
  for (const button of scaleButtons) button.addEventListener("click", () => setScale(button));
  for (const button of partButtons) button.addEventListener("click", () => togglePart(button));

  // --- the token under the pointer
  const tip = byId("tip");
  function point(event) {
    const span = event.target.closest?.(".chunk > span");
    const pane = panes.find(({ heat }) => heat.index.has(span));
    for (const old of document.querySelectorAll(".chunk > span.twin")) old.classList.remove("twin");
    tip.hidden = !pane;
    if (!pane) return;
    const cell = pane.heat.index.get(span);
    const first = pane.heat.starts[cell];
    const tokens = Array.from({ length: pane.heat.counts[cell] }, (_, i) => first + i);
    const scores = rowOf(pane);
    tip.replaceChildren(...tokens.map((token) => {
      const line = element("div");
      line.append(element("small", "", `token ${token}`), element("b", "", number(scores[token])));
      return line;
    }));
    if (page.text) tip.prepend(label(pane.heat.textOf(cell)));
    for (const other of panes) if (other !== pane) other.heat.spans[other.heat.cellOf(first)]?.classList.add("twin");
    const box = span.getClientRects()[0], size = tip.getBoundingClientRect();
    if (!box) return;
    tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - size.width - 8))}px`;
    tip.style.top = `${box.top - size.height - 6 > 0 ? box.top - size.height - 6 : box.bottom + 6}px`;
  }
  document.querySelector(".panes").addEventListener("pointerover", point);
  document.querySelector(".panes").addEventListener("pointerleave", () => { tip.hidden = true; });
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // --- another method of the same text
  const select = byId("compare");
  exp2proc.text = (members) => {
    const others = members.filter(({ id }) => id !== page.id);
    for (const { id, label: name } of others) {
      const option = element("option", "", name);
      option.value = id;
      select.append(option);
    }
    select.closest("label").hidden = !others.length;
    exp2proc.members = members;
  };
  function paneHead(id) {
    const member = (exp2proc.members ?? []).find((one) => one.id === id);
    const head = element("h2", "pane-head");
    const link = element("a", "", member?.label ?? "");
    if (id !== page.id) link.href = `${id}.html`;
    head.append(link, element("i", ""), element("small", "", member?.scores ?? ""));
    return head;
  }
  async function setBeside(id) {
    state.beside = select.value = id;
    const holder = document.querySelector(".panes");
    while (panes.length > 1) panes.pop().box.remove();
    panes[0].head?.remove();
    panes[0].head = null;
    document.querySelector(".columns").classList.toggle("beside", Boolean(id));
    if (id) {
      const rows = await exp2proc.vectors(id, false);
      if (state.beside !== id || panes.length > 1) return;
      const box = element("article", "pane");
      box.append(panes[0].heat.root.cloneNode(true));
      holder.append(box);
      const head = paneHead(id);
      box.prepend(head);
      panes[0].head = paneHead(page.id);
      panes[0].box.prepend(panes[0].head);
      panes.push({ heat: new Heatmap(box.querySelector(".heat")), rows, id, box, head });
    }
    paint();
  }
  select.addEventListener("change", () => setBeside(select.value));

  addEventListener("keydown", (event) => {
    if (typing(event)) return;
    const { key } = event;
    if (key === "a") setHop(-1);
    else if (/^[0-9]$/.test(key)) setHop(Number(key));
    else if (key === "[") setHop(state.hop - 1);
    else if (key === "]") setHop(state.hop + 1);
    else if (key === "s") setScale(scaleButtons[(scaleButtons.findIndex((b) => b.dataset.scale === state.scale) + 1) % 3]);
    else if (key === "m" && select.options.length > 1) setBeside(select.options[(select.selectedIndex + 1) % select.options.length].value);
    else {
      const button = partButtons.find((one) => one.dataset.part[0] === key);
      if (button) togglePart(button);
    }
  });

  const box = byId("pane");
  panes.push({ heat: new Heatmap(box.querySelector(".heat")), rows: [], id: page.id, box, head: null });
  exp2proc.vectors(page.id, true).then((rows) => {
    panes[0].rows = rows;
    paint();
    document.documentElement.dataset.ready = "yes";
  });
})();
