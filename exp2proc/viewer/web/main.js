// The page: where samples come from, what the address says, what every page has.
"use strict";

// What is shown stands behind the # of the address. A page inside a notebook has no address of its
// own; there it is kept here.
const address = {
  kept: null,
  get params() { return new URLSearchParams(this.kept ?? location.hash.slice(1)); },
  change(params, push) {
    const hash = `#${params}`;
    try {
      history[push ? "pushState" : "replaceState"](null, "", hash);
    } catch {
      this.kept = String(params);
    }
  },
};

function tell(text) {
  const box = $("told");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { box.hidden = true; }, 2500);
}

// Dark or light: the system's choice until a reader makes another.
const theme = {
  get dark() {
    const { theme: chosen } = document.documentElement.dataset;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
  toggle() {
    document.documentElement.dataset.theme = this.dark ? "light" : "dark";
    remember("theme", document.documentElement.dataset.theme);
    document.documentElement.dispatchEvent(new CustomEvent("theme"));
  },
};

const KEYS = {
  list: [["/", "search"], ["↓ ↑", "the next sample, the one before (or j, k)"], ["Enter", "open it"], ["Esc", "reset the filters"]],
  view: [["← →", "previous, next sample; inside the text: the token before, the next"], ["a", "row attribution"], ["0 … 9", "hop 0 to 9"], ["[ ]", "the hop before, the next"],
    ["s", "next colour scale"], ["n", "normalise prompt and generation together or apart"], ["w", "tokens, words, sentences, lines"], ["i c o r", "show or hide input, CoT, output, rest"],
    ["m", "the next method beside this one"], ["d", "side by side, or the difference"], ["/", "find in this text"], ["g", "all samples"]],
  both: [["t", "dark or light"], ["l", "English or Chinese"], ["?", "this list"]],
};

class Page {
  constructor(catalog, source) {
    this.catalog = catalog;
    this.source = source;
    this.list = new List($("list"), catalog, source, (sample) => this.go(sample));
    this.sample = null; // the one that the address names
    this.list.address = (sample) => `#${this.paramsOf(sample)}`;
    this.list.onchange = () => address.change(this.listParams(), false);
    this.list.onfound = () => this.steps();
    this.view = new View($("view"), catalog, source, this.list);
    this.view.onaddress = () => { const params = this.listParams(); this.view.keep(params); address.change(params, false); };
    this.view.onchange = () => { this.view.onaddress(); this.route(); };
    addEventListener("popstate", () => this.route());
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[data-open]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.go(catalog.samples[Number(link.dataset.open)]);
    });
    addEventListener("keydown", (event) => this.key(event));
    $("prev").addEventListener("click", () => this.step(0));
    $("next").addEventListener("click", () => this.step(1));
    $("home").addEventListener("click", (event) => { event.preventDefault(); this.home(); });
  }

  listParams() {
    const params = new URLSearchParams();
    this.list.keep(params);
    return params;
  }

  // The address of a sample: as the one that is open is looked at, if one is.
  paramsOf(sample) {
    const params = this.listParams();
    params.set("s", sample.name);
    if (this.view.sample && !this.view.root.hidden) {
      for (const key of ["v", "scale", "norm", "unit", "agg", "cut", "hide"]) if (this.view.state[key] !== DEFAULTS[key]) params.set(key, this.view.state[key]);
    }
    return params;
  }

  go(sample) {
    address.change(this.paramsOf(sample), true);
    this.route();
    scrollTo(0, 0);
  }

  home() {
    if ($("list").hidden === false) return;
    address.change(this.listParams(), true);
    this.route();
  }

  step(which) {
    const next = this.sample && this.list.neighbours(this.sample)[which];
    if (next) this.go(next);
  }

  async route() {
    const { params } = address;
    if (!this.recalled || !params.has("s")) { this.list.recall(params); this.recalled = true; }
    const name = params.get("s");
    const sample = name === null ? null : this.catalog.byName.get(name) ?? null;
    if (name !== null && !sample && !this.catalog.complete) { this.waits = true; return; }
    this.waits = false;
    const opened = sample !== null;
    this.sample = sample;
    if (name !== null && !opened) tell(t("{0} is not here.", name));
    $("list").hidden = opened;
    $("view").hidden = !opened;
    for (const id of ["prev", "next"]) $(id).hidden = !opened;
    this.crumbs();
    if (opened) {
      await this.view.open(sample, params);
      if (this.sample !== sample) return; // another one was asked for meanwhile
    } else {
      this.view.leave();
      this.list.refresh();
    }
    document.documentElement.dataset.ready = "yes";
  }

  // More samples are known.
  learn() {
    if (this.waits) this.route();
    else if (this.sample && this.view.learn()) this.route();
  }

  crumbs() {
    const box = $("crumbs"), { sample } = this;
    box.replaceChildren();
    document.title = sample ? `${sample.run.shown.method} · ${sample.file} · exp2proc` : "exp2proc";
    if (!sample) return;
    const { run, file } = sample;
    box.append(el("span", { title: run.path || null }, run.shown.dataset), el("span", {}, run.shown.model), el("span", { title: run.tag }, run.shown.method), el("span", {}, el("b", {}, file)));
    this.steps();
  }

  steps() {
    const [before, after] = this.sample ? this.list.neighbours(this.sample) : [null, null];
    $("prev").disabled = !before;
    $("next").disabled = !after;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    const typing = event.target.matches?.("input, select, textarea");
    if (typing && event.key !== "Escape") return;
    if (event.key === "t") { theme.toggle(); return; }
    if (event.key === "l") { switchLanguage(); return; }
    if (event.key === "?") { this.help(); return; }
    if ($("view").hidden) { this.list.key(event); return; }
    if (typing) { event.target.blur(); return; }
    if (event.key === "ArrowLeft") this.step(0);
    else if (event.key === "ArrowRight") this.step(1);
    else if (event.key === "g") this.home();
    else if (this.view.sample && !this.view.body.hidden && this.view.key(event)) event.preventDefault();
  }

  help() {
    const keys = [...KEYS[$("view").hidden ? "list" : "view"], ...KEYS.both];
    put($("keys"), ...keys.flatMap(([key, what]) => [el("dt", {}, ...key.split(" ").flatMap((one) => [el("kbd", {}, one), " "])), el("dd", {}, t(what))]));
    $("help").showModal();
  }
}

// Waiting for files: the page alone, as it is handed over.
function dropZone(start) {
  const zone = $("drop");
  zone.hidden = false;
  const take = async (files) => {
    if (!files.length) return;
    if (zone.hidden) { tell(t("To show other files, load this page again.")); return; }
    zone.hidden = true;
    zone.hidden = await start(files);
  };
  const picker = (id, attributes) => {
    const input = el("input", { type: "file", id, class: "unseen", tabindex: "-1", "aria-hidden": "true", ...attributes });
    input.addEventListener("change", () => {
      const chosen = [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, blob: file }));
      input.value = ""; // the same may be chosen again
      take(chosen);
    });
    return input;
  };
  const files = picker("pick-files", { multiple: true, accept: ".npz,.zip" }), folder = picker("pick-folder", { webkitdirectory: true });
  put(zone, el("h1", {}, t("Drop samples here")), el("p", {}, t("npz files, a folder of them, or a zip. Nothing leaves this machine.")),
    el("p", {}, button(t("Choose files"), {}, () => files.click()), " ", button(t("Choose a folder"), {}, () => folder.click())), files, folder);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    if (event.dataTransfer?.types.includes("Files")) document.documentElement.classList.add("dragging");
  });
  addEventListener("dragleave", () => document.documentElement.classList.remove("dragging"));
  addEventListener("drop", async (event) => {
    event.preventDefault();
    document.documentElement.classList.remove("dragging");
    try {
      take(await droppedFiles(event.dataTransfer));
    } catch (error) {
      trouble(t("What was dropped cannot be read ({0}): choose it instead.", error.name));
    }
  });
}

// Says whether there was anything to show.
async function begin(source, given) {
  const catalog = new Catalog();
  if (given.address) { address.kept = given.address; }
  let page = null;
  const first = () => {
    if (!catalog.samples.length) return;
    if (page) { page.learn(); return; }
    page = new Page(catalog, source);
    page.route();
  };
  catalog.listeners.add(first);
  try {
    await source.read(catalog);
  } catch (error) {
    trouble(why(error));
    if (!(error instanceof FormatError)) throw error;
  }
  if (catalog.samples.length) return true;
  if ($("trouble").hidden) trouble(t("There is no sample in what was given."));
  document.documentElement.dataset.ready = "yes";
  return false;
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = false;
}

function main() {
  const kept = recallSetting("theme");
  if (kept) document.documentElement.dataset.theme = kept;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) { node.title = t(node.dataset.label); node.setAttribute("aria-label", t(node.dataset.label)); }
  $("crumbs").setAttribute("aria-label", t("Sample"));
  $("theme-button").addEventListener("click", () => theme.toggle());
  $("language-button").addEventListener("click", () => switchLanguage());
  $("language-button").textContent = language === "zh" ? "EN" : "中";
  $("help-close").addEventListener("click", () => $("help").close());
  $("help-button").addEventListener("click", () => dispatchEvent(new KeyboardEvent("keydown", { key: "?" })));
  if (typeof DecompressionStream === "undefined" || !("Segmenter" in Intl)) {
    trouble(t("This browser is too old: use one of 2023 or later."));
    document.documentElement.dataset.ready = "yes";
    return;
  }
  const given = JSON.parse($("source").textContent);
  if (given.kind === "folder") begin(new FolderSource(), given);
  else if (given.kind === "server") begin(new ServerSource(), given);
  else if (given.samples?.length) begin(new FilesSource(given.samples.map(({ npz, ...known }) => ({ ...known, blob: blobOf(npz) }))), given);
  else {
    dropZone((files) => { $("trouble").hidden = true; return begin(new FilesSource(files), given); });
    document.documentElement.dataset.ready = "yes";
  }
}
main();
