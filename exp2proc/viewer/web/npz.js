// npz files as they are: the zip directory, inflating, arrays. Strict, and bounded: a file that was
// dropped here may be anybody's.
"use strict";
const MAX_BYTES = 1 << 29;
const MAX_ENTRIES = 2_000_000;
const MAX_TOKENS = 1 << 22;
const MAX_HOPS = 1024;

class FormatError extends Error {}

// A zip is read from memory, where it is small enough: asking a blob for each piece takes longer.
const WHOLE = 1 << 26;
const inMemory = async (blob) => (blob.size > WHOLE ? blob : new Uint8Array(await blob.arrayBuffer()));
// The bytes from..to of a blob, or of what is in memory.
const bytesOf = async (source, from, to) => (source instanceof Blob ? new Uint8Array(await source.slice(from, to).arrayBuffer()) : source.subarray(from, to));
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

// The members of a zip: [{name, method, crc, packed, size, offset}], by its directory.
async function zipEntries(source) {
  const size = source.size ?? source.length;
  const tail = viewOf(await bytesOf(source, Math.max(0, size - 65557), size));
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) throw new FormatError(t("it is no zip archive"));
  let total = tail.getUint16(at + 10, true), length = tail.getUint32(at + 12, true), start = tail.getUint32(at + 16, true);
  if ((total === 0xffff || start === 0xffffffff || length === 0xffffffff) && at >= 20 && tail.getUint32(at - 20, true) === 0x07064b50) {
    const where = Number(tail.getBigUint64(at - 12, true));
    const end = viewOf(await bytesOf(source, where, where + 56));
    if (end.byteLength < 56 || end.getUint32(0, true) !== 0x06064b50) throw new FormatError(t("its zip directory is damaged"));
    total = Number(end.getBigUint64(32, true));
    length = Number(end.getBigUint64(40, true));
    start = Number(end.getBigUint64(48, true));
  }
  if (start + length > size || total > MAX_ENTRIES || length > MAX_BYTES) throw new FormatError(t("its zip directory is damaged"));
  const view = viewOf(await bytesOf(source, start, start + length));
  const entries = [];
  at = 0;
  for (let i = 0; i < total; i++) {
    if (at + 46 > length || view.getUint32(at, true) !== 0x02014b50) throw new FormatError(t("its zip directory is damaged"));
    const names = view.getUint16(at + 28, true), extras = view.getUint16(at + 30, true), comments = view.getUint16(at + 32, true);
    const entry = {
      name: new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, Math.min(names, length - at - 46))),
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    };
    wide(view, at + 46 + names, Math.min(at + 46 + names + extras, length), entry);
    entries.push(entry);
    at += 46 + names + extras + comments;
  }
  return entries;
}

// The numbers of an entry that stand in its zip64 field.
function wide(view, at, end, entry) {
  for (; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let from = at + 4;
    for (const key of ["size", "packed", "offset"]) {
      if (entry[key] !== 0xffffffff || from + 8 > end) continue;
      entry[key] = Number(view.getBigUint64(from, true));
      from += 8;
    }
  }
}

// The content of a member.
async function zipContent(source, entry) {
  if (entry.size > MAX_BYTES) throw new FormatError(t("it inflates to {0} bytes, which is too much", entry.size));
  if (entry.flags & 1) throw new FormatError(t("it is encrypted"));
  const head = viewOf(await bytesOf(source, entry.offset, entry.offset + 30));
  if (head.byteLength < 30 || head.getUint32(0, true) !== 0x04034b50) throw new FormatError(t("it is cut"));
  const from = entry.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const data = await bytesOf(source, from, from + entry.packed);
  if (data.length !== entry.packed) throw new FormatError(t("it is cut"));
  if (entry.method === 0) {
    if (entry.packed !== entry.size) throw new FormatError(t("it is damaged"));
    return data;
  }
  if (entry.method !== 8) throw new FormatError(t("it is packed in a way that browsers do not know"));
  return inflate(data, entry.size);
}

// A DEFLATE stream that must give exactly `size` bytes; stops as soon as there are more.
async function inflate(data, size) {
  const result = new Uint8Array(size);
  const { writable, readable } = new DecompressionStream("deflate-raw");
  const writer = writable.getWriter(), reader = readable.getReader();
  for (const done of [writer.write(data), writer.close()]) done.catch(() => {}); // the reader fails too
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > size) throw new FormatError(t("it holds more than it says"));
      result.set(value, at);
      at += value.length;
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error instanceof FormatError ? error : new FormatError(t("it is damaged"));
  }
  if (at !== size) throw new FormatError(t("it is cut"));
  return result;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
function crc32(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// One .npy: {dtype, shape, bytes}.
function parseNpy(bytes) {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (bytes.length < 10 || magic.some((byte, i) => bytes[i] !== byte)) throw new FormatError(t("it holds something that is no array"));
  const view = viewOf(bytes);
  const start = bytes[6] === 1 ? 10 + view.getUint16(8, true) : bytes.length < 12 ? Infinity : 12 + view.getUint32(8, true);
  if (start > bytes.length) throw new FormatError(t("it is cut"));
  const header = new TextDecoder("latin1").decode(bytes.subarray(10, start));
  const dtype = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1].split(",").filter((one) => one.trim()).map(Number);
  const fortran = /'fortran_order':\s*True/.test(header);
  if (!dtype || !shape || shape.some((n) => !Number.isSafeInteger(n) || n < 0) || (fortran && shape.length > 1)) {
    throw new FormatError(t("it holds an array that cannot be read"));
  }
  return { dtype, shape, bytes: bytes.slice(start) };
}

function decodeArray({ dtype, shape, bytes }) {
  const count = shape.reduce((product, n) => product * n, 1);
  const size = dtype.startsWith("<U") ? 4 * Number(dtype.slice(2)) : { "<f4": 4, "<f8": 8, "<i8": 8 }[dtype];
  if (!(size > 0) || !Number.isSafeInteger(size) || count * size !== bytes.length) throw new FormatError(t("it holds an array that cannot be read"));
  if (dtype === "<f4") return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  if (dtype === "<f8") return new Float64Array(bytes.buffer, bytes.byteOffset, count);
  if (dtype === "<i8") return Array.from(new BigInt64Array(bytes.buffer, bytes.byteOffset, count), Number);
  return decodeText(new Uint32Array(bytes.buffer, bytes.byteOffset, count * size / 4), count, size / 4);
}

// Fixed-width text in UTF-32, as numpy keeps it: zeros at the end are no part of it.
function decodeText(codes, count, width) {
  const pieces = new Array(count);
  for (let i = 0; i < count; i++) {
    let end = (i + 1) * width;
    while (end > i * width && codes[end - 1] === 0) end--;
    let text = "";
    for (let at = i * width; at < end; at++) {
      if (codes[at] > 0x10ffff) throw new FormatError(t("it holds text that is none"));
      text += String.fromCodePoint(codes[at]);
    }
    pieces[i] = text;
  }
  return pieces;
}

// The arrays of an npz by name, {name: {value, shape}}; of `names` only those, where given.
async function readNpz(blob, names) {
  const source = await inMemory(blob), entries = await zipEntries(source);
  if (entries.reduce((sum, { size }) => sum + size, 0) > MAX_BYTES) throw new FormatError(t("it inflates to more than a sample does"));
  const arrays = {};
  for (const entry of entries) {
    const name = entry.name.replace(/\.npy$/, "");
    if (names && !names.includes(name)) continue;
    const bytes = await zipContent(source, entry);
    if (crc32(bytes) !== entry.crc) throw new FormatError(t("{0} is damaged: its checksum is another", name));
    const npy = parseNpy(bytes);
    arrays[name] = { value: decodeArray(npy), shape: npy.shape, digest: `${entry.size}-${entry.crc}` };
  }
  return arrays;
}

// A sample of the arrays of its npz: {attr, hops, tok, spans, scores}. What it must be is what Python
// asks of one (`schema_problem` of sample.py).
function sampleOf(arrays, keys) {
  const { attr, hop, tok } = arrays;
  if (!(attr?.value instanceof Float32Array) || attr.shape.length !== 1) throw new FormatError(t("it is no sample: {0} is missing", "attr"));
  const length = attr.value.length;
  if (length > MAX_TOKENS) throw new FormatError(t("it inflates to more than a sample does"));
  const span = (name) => {
    const value = arrays[name]?.value;
    if (!Array.isArray(value) || value.length !== 2 || !value.every(Number.isInteger)) throw new FormatError(t("it is no sample: {0} is missing", name));
    const [first, last] = value;
    if (!(first === -1 && last === -1) && !(first >= 0 && first <= last && last < length)) throw new FormatError(t("it is no sample: {0} is outside of its tokens", name));
    return value;
  };
  const differ = (name) => new FormatError(t("it is no sample: {0} and {1} differ in length", name, "attr"));
  const spans = { in: span("span_in"), cot: span("span_cot"), out: span("span_out") };
  if (tok && (tok.shape.length !== 1 || tok.value.length !== length || typeof (tok.value[0] ?? "") !== "string")) throw differ("tok");
  const hops = [];
  if (hop) {
    if (!(hop.value instanceof Float32Array) || hop.shape.length !== 2 || hop.shape[1] !== length) throw differ("hop");
    if (hop.shape[0] > MAX_HOPS) throw new FormatError(t("it inflates to more than a sample does"));
    for (let row = 0; row < hop.shape[0]; row++) hops.push(hop.value.subarray(row * length, (row + 1) * length));
  }
  const scores = keys.map((key) => {
    const value = arrays[key]?.value ?? [NaN];
    if (value.length !== 1 || typeof value[0] !== "number") throw new FormatError(t("it is no sample: {0} is no number", key));
    return value[0];
  });
  return { attr: attr.value, hops, tok: tok?.value ?? null, spans, scores };
}
