// Where samples come from. Each source fills a catalog and gives the arrays of a sample:
//   read(catalog)   adds what there is, all at once or little by little
//   arrays(sample)  {name: {value, shape, digest}} of its npz
//   text(sample)    its token pieces, or null
"use strict";
const exp2proc = {}; // what scripts of a folder call

// Beside the page: `data/` holds scripts, because a page opened from a folder may load nothing else.
// A text is there once, whatever the number of its samples.
class FolderSource {
  given = new Map();
  loading = new Map(); // who asks for what is being loaded waits for the same

  constructor() {
    exp2proc.put = (id, base64) => this.given.set(id, base64);
  }

  async read(catalog) {
    exp2proc.index = (message) => catalog.add(message);
    await this.load("index");
  }

  load(id) {
    return new Promise((done, fail) => {
      const script = el("script", { src: `data/${id}.js` });
      script.addEventListener("load", () => { script.remove(); done(); });
      script.addEventListener("error", () => { script.remove(); fail(new FormatError(t("data/{0}.js cannot be loaded", id))); });
      document.head.append(script);
    });
  }

  blob(id) {
    if (!this.loading.has(id)) this.loading.set(id, this.fetched(id).finally(() => this.loading.delete(id)));
    return this.loading.get(id);
  }

  async fetched(id) {
    await this.load(id);
    const base64 = this.given.get(id);
    this.given.delete(id);
    try {
      return blobOf(base64);
    } catch {
      throw new FormatError(t("data/{0}.js is damaged", id));
    }
  }

  async arrays(sample) {
    const arrays = await readNpz(await this.blob(sample.id));
    const tok = await this.tok(sample);
    return tok ? { ...arrays, tok } : arrays;
  }

  async tok({ facts }) {
    return facts.text.startsWith("-") ? null : (await readNpz(await this.blob(facts.text))).tok;
  }

  async text(sample) {
    return (await this.tok(sample))?.value ?? null;
  }
}

// Throws when it is no text or no base64.
const blobOf = (base64) => new Blob([Uint8Array.from(atob(base64.trim()), (char) => char.charCodeAt(0))]);

// `exp2proc view`: the list comes line by line while it is made, samples as the npz files they are.
class ServerSource {
  async read(catalog) {
    const response = await fetch("list");
    if (!response.ok) throw new FormatError(t("the server does not answer"));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line) catalog.add(JSON.parse(line));
    }
    if (!catalog.complete) throw new FormatError(t("the server does not answer"));
  }

  async npz(sample, names) {
    let response;
    try {
      response = await fetch(`npz/${sample.at}`);
    } catch {
      throw new FormatError(t("the server does not answer"));
    }
    if (!response.ok) throw new FormatError((await response.text()) || t("the server does not answer"));
    return readNpz(await response.blob(), names);
  }

  arrays(sample) {
    return this.npz(sample);
  }

  async text(sample) {
    return (await this.npz(sample, ["tok"])).tok?.value ?? null;
  }
}

// Files that were dropped or chosen, or that lie inside the page: npz files, and zips of them.
class FilesSource {
  // `files` is [{path, blob}], with `names` and `gold` where they are known.
  constructor(files) {
    this.files = files;
    this.blobs = [];
  }

  async read(catalog) {
    const found = [], unread = [];
    for (const { path, blob, names, gold } of this.files) {
      if (/\.zip$/i.test(path)) await this.unzip(path, blob, found, unread);
      else if (isSample(path)) found.push({ path, names, gold, open: async () => blob });
    }
    found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    this.blobs = found.map(({ open }) => open);
    this.gold = found.map(({ gold }) => gold ?? null);
    const { runs, samples } = groupRuns(found);
    catalog.add({ scores: SCORE_KEYS, runs, samples });
    this.seen = new Set();
    let message = { facts: [], failed: [] }, told = performance.now();
    // One after the other: many bombs at once would be more than memory holds.
    for (let at = 0; at < samples.length; at++) {
      try {
        message.facts.push(await this.facts(at, catalog.samples[at]));
      } catch (error) {
        message.failed.push([at, why(error)]);
      }
      if (performance.now() - told < 200) continue;
      catalog.add(message);
      message = { facts: [], failed: [] };
      told = performance.now();
    }
    catalog.add({ ...message, done: true });
    if (unread.length) throw new FormatError(unread.join("; "));
  }

  // A zip is read in place. No path in it is trusted: it only gives names.
  async unzip(path, blob, found, unread) {
    try {
      const source = await inMemory(blob);
      for (const entry of await zipEntries(source)) {
        if (isSample(entry.name)) found.push({ path: entry.name, open: async () => new Blob([await zipContent(source, entry)]) });
      }
    } catch (error) {
      unread.push(`${path}: ${why(error)}`);
    }
  }

  // Everything is read, so that what is damaged is told in the list.
  async facts(at, { run, file }) {
    const arrays = await readNpz(await this.blobs[at]());
    const { attr, hops, tok, spans, scores } = sampleOf(arrays, SCORE_KEYS.map(({ key }) => key));
    const text = tok ? `${tok.length}-${arrays.tok.digest}` : `-${run.path} ${run.model} ${file} ${attr.length} ${Object.values(spans)}`;
    const snippet = tok && !this.seen.has(text) ? snippetOf(tok) : "";
    this.seen.add(text);
    return [at, text, attr.length, hops.length, sharesOf(attr, partNumbers(attr.length, spans)), scores, snippet, this.gold[at]];
  }

  async arrays(sample) {
    return readNpz(await this.blobs[sample.at]());
  }

  async text(sample) {
    return (await readNpz(await this.blobs[sample.at](), ["tok"])).tok?.value ?? null;
  }
}

const SCORE_KEYS = [
  { key: "rise", label: "RISE", higher: false },
  { key: "mas", label: "MAS", higher: false },
  { key: "recovery", label: "Recovery@10%", higher: true },
];

// What is no mistake of the page: a file that is no sample, or that is gone.
const isTold = (error) => error instanceof FormatError || error instanceof DOMException;
const why = (error) => (error instanceof FormatError ? error.message : t("it cannot be read ({0})", error.name));
const isSample = (path) => /\.npz$/i.test(path) && !path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
const snippetOf = (pieces) => {
  const text = visible(cellsOf(pieces.slice(0, 200)).map((cell) => cell.text).join(""));
  return Array.from(text.split(/[^\S\ufeff]+/).filter(Boolean).join(" ")).slice(0, 120).join("");
};

// Runs and samples of files, by what their paths say.
function groupRuns(found) {
  const byKey = new Map(), runs = [], samples = [];
  for (const { path, names } of found) {
    const one = names ?? namesOf(path);
    const key = JSON.stringify([one.dataset, one.model, one.tag]);
    if (!byKey.has(key)) {
      byKey.set(key, runs.length);
      const promised = /(?:^|_)([0-9]{1,9})ex$/.exec(one.tag);
      const short = one.dataset.split("/").at(-1).replace(/\.jsonl$/, "");
      runs.push({ dataset: short, path: one.dataset, model: one.model, tag: one.tag, method: methodOf(one.tag), promised: promised ? Number(promised[1]) : null });
    }
    samples.push([byKey.get(key), path.split("/").at(-1), ""]);
  }
  const shorts = runs.map(({ dataset, path }) => [dataset, path]);
  for (const run of runs) if (shorts.some(([short, path]) => short === run.dataset && path !== run.path)) run.dataset = run.path;
  return { runs, samples };
}

const methodOf = (tag) => tag.split(/_(?=n\d+(?:_|$)|neg[a-z]+(?:_|$)|norm[a-z]+|mfaith|mrecov|\d+ex$)/)[0];

// Dataset, model and run of a dropped path. What was dropped stands at its beginning: mostly the
// root of an export, whose name is none of the three.
const HOUSE = new Set(["output", "proc", "proc_1", "data", "traces"]);
function namesOf(path) {
  const behind = (names, fits) => Math.max(0, ...names.map((name, at) => (fits(name, at) ? at + 1 : 0)));
  const isFile = (name) => name.endsWith(".jsonl");
  let names = path.split("/").slice(0, -1);
  const house = behind(names, (name) => HOUSE.has(name)), end = behind(names, isFile);
  if (end > house && names[house - 1] === "data") {
    // this `data` is of the dataset's path, exp/exp2/data/math.jsonl
    const root = behind(names.slice(0, house - 1), (name) => HOUSE.has(name));
    names = names.slice(root || Math.max(0, behind(names, (name, at) => name === "exp" && names[at + 1] === "exp2") - 1));
  } else if (house) names = names.slice(house);
  else if (names.length > 3) names = names.slice(1);
  const tag = names.pop() ?? "";
  const cut = behind(names, isFile) || (names.length === 3 ? 1 : names.length - 1);
  if (names.length < 2) return { dataset: "", model: names[0] ?? "", tag };
  return { dataset: names.slice(0, cut).join("/"), model: names.slice(cut).join("/"), tag };
}

// What was dropped, folders with all that is in them. Chromium reads folders by handles only, where
// the page is a file; other browsers have entries. Both must be asked for before anything is awaited.
async function droppedFiles(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  const plain = [...transfer.files].map((file) => ({ path: file.name, blob: file }));
  const entries = items.map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const files = [];
  if (!items[0].getAsFileSystemHandle) {
    for (const entry of entries) await walkEntry(entry, "", files);
    return files;
  }
  for (const handle of await Promise.all(items.map((item) => item.getAsFileSystemHandle()))) await walkHandle(handle, "", files);
  return files;
}

async function walkHandle(handle, above, files) {
  const path = above + handle.name;
  if (handle.kind === "file") files.push({ path, blob: await handle.getFile() });
  else for await (const one of handle.values()) await walkHandle(one, `${path}/`, files);
}

async function walkEntry(entry, above, files) {
  const path = above + entry.name;
  const asked = (act) => new Promise((done, fail) => act(done, fail));
  if (entry.isFile) {
    files.push({ path, blob: await asked((done, fail) => entry.file(done, fail)) });
    return;
  }
  const reader = entry.createReader();
  for (let some; (some = await asked((done, fail) => reader.readEntries(done, fail))).length;) {
    for (const one of some) await walkEntry(one, `${path}/`, files);
  }
}
