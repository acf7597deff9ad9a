// This module is signed notes, keys as text (vkeys) and checkpoints, as C2SP has them: one spelling for each, all else is refused.
// Signatures are Ed25519 by the browser itself; where it cannot (an old one, or plain HTTP from another machine), by @noble/ed25519.
import { sha256, sha512 } from "../../vendor/noble-hashes/noble-hashes.js";
import { same } from "./cid.js";
import { EMPTY_ROOT, HASH_BYTES } from "./tree.js";

export const LOG = 1;
export const WITNESS = 4;

const MAX_NOTE_BYTES = 65_536;
const MAX_SIGNATURES = 16;
const MAX_SIZE = 2n ** 63n - 1n;
const MAX_TIME = 253_402_300_799n;
const KEY_ID_BYTES = 4;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;
const MARK = "— ";
const [ROTATION, OLDER_ROTATION] = ["key rotation v2", "key rotation v1"];
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** What is not what it must be, in a sentence for a person. */
export class Refused extends Error {}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

/** A text without the white space of ASCII around it; any other may be meant to deceive. */
export const trimmed = (text) => text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "");

/** The bytes of standard base64 in its one spelling. */
export function fromBase64(text, what) {
  try {
    const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    if (raw.length > 0 && toBase64(raw) === text) return raw;
  } catch {
    // Refused below, as whatever is not base64.
  }
  throw new Refused(`${what} ${shown(text)} is not standard base64 with its padding.`);
}

// -- notes ---------------------------------------------------------------------------------------------------------------------------

/** The notes that stand one after another in a text: behind the signatures of one begins the next. */
export function notesIn(text) {
  const notes = [[]];
  for (const line of trimmed(text).split("\n")) {
    if (notes.at(-1).at(-1)?.startsWith(MARK) && !line.startsWith(MARK)) notes.push([]);
    if (line !== "" || notes.at(-1).length > 0) notes.at(-1).push(line);
  }
  return notes.map((lines) => `${lines.join("\n")}\n`);
}

/** Text and signatures of a note, from its bytes. Nothing is said of whether a signature holds. */
export function parseNote(raw) {
  const whole = readable(raw);
  const end = whole.lastIndexOf("\n\n");
  if (end < 1) throw new Refused("This is no signed note: it has no empty line between a text and its signatures.");
  const rest = whole.slice(end + 2);
  if (!rest.endsWith("\n")) throw new Refused("This is no signed note: its last line has no end; it was cut off.");
  const lines = rest.slice(0, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw new Refused(`The note has ${lines.length} signature lines; at most ${MAX_SIGNATURES} are read.`);
  const signatures = lines.map(parseSignature);
  const ids = signatures.map(identity);
  if (new Set(ids).size < ids.length) throw new Refused("The note has two signatures by one key; one was added by somebody else.");
  return { text: whole.slice(0, end + 1), signatures };
}

function readable(raw) {
  if (raw.length > MAX_NOTE_BYTES) throw new Refused(`A note of ${raw.length} bytes is not read; a checkpoint has a few hundred.`);
  let text;
  try {
    text = utf8.decode(raw);
  } catch {
    throw new Refused("This is no signed note: it is not UTF-8.");
  }
  if (text.includes("\r")) throw new Refused("This is no signed note: its lines end in CRLF; some program changed it.");
  if (/[\0-\x09\x0b-\x1f]/.test(text)) throw new Refused("This is no signed note: it holds a control character.");
  return text;
}

function parseSignature(line) {
  if (!line.startsWith(MARK)) throw new Refused(`${shown(line)} is no signature line; each begins with a long dash and a space.`);
  const [name, encoded, ...more] = line.slice(MARK.length).split(" ");
  if (encoded === undefined || more.length > 0) throw new Refused(`${shown(line)} is no signature line; after the dash come a name and one word of base64.`);
  const raw = fromBase64(encoded, "The signature");
  if (raw.length <= KEY_ID_BYTES) throw new Refused(`The signature by ${shown(name)} is a key id at most; the note was cut.`);
  return { name: checkName(name), id: hex(raw.subarray(0, KEY_ID_BYTES)), blob: raw.subarray(KEY_ID_BYTES) };
}

function checkName(name) {
  if (name === "" || /[+\p{Cc}\p{Z}]/u.test(name)) throw new Refused(`${shown(name)} cannot be the name of a key: it must not be empty and holds no spaces and no +.`);
  return name;
}

const identity = ({ name, id }) => `${name} ${id}`;
const shown = (text) => JSON.stringify(text.slice(0, 80));

// -- keys ----------------------------------------------------------------------------------------------------------------------------

/** The key in a vkey: name, kind, id and public half. */
export function parseVkey(text) {
  const found = /^([^+]*)\+([0-9a-f]{8})\+([^]*)$/.exec(text);
  if (!found) throw new Refused(`${shown(text)} is no vkey; it must be a name, an id of 8 hex digits, and the key, with + between.`);
  const [, name, id, encoded] = found;
  const raw = fromBase64(encoded, "The key");
  if (raw.length !== 33 || (raw[0] !== LOG && raw[0] !== WITNESS)) throw new Refused(`${shown(text)} is no vkey for Ed25519.`);
  const key = keyOf(checkName(name), raw);
  if (key.id !== id) throw new Refused(`The key of ${shown(name)} has the id ${key.id}, and the text says ${id}; it was changed.`);
  return key;
}

/** The same key under another name, and so with another id. */
export const named = (key, name) => keyOf(name, key.raw);

function keyOf(name, raw) {
  const id = hex(sha256(join(encoder.encode(`${name}\n`), raw)).subarray(0, KEY_ID_BYTES));
  return { name, kind: raw[0], id, raw, public: raw.subarray(1), vkey: `${name}+${id}+${toBase64(raw)}` };
}

/** The changes of a log's key, each from where the one before led. */
export async function readChanges(notes) {
  const changes = [];
  for (const raw of notes) {
    const change = await readChange(raw);
    if (changes.length > 0 && changes.at(-1).newer.vkey !== change.older.vkey) throw new Refused(`A change of keys does not begin at ${changes.at(-1).newer.vkey}, which the one before it led to.`);
    changes.push(change);
  }
  return changes;
}

/** One key in the place of another: `older` and `newer`, and by origin what the older one signed `last` of each log; null where the note does not say. */
export async function readChange(raw) {
  const note = parseNote(raw);
  const lines = note.text.split("\n");
  const isFirstForm = lines.length === 5 && lines[1] === OLDER_ROTATION;
  if (lines.length < 5 || !(isFirstForm || lines[1] === ROTATION)) throw new Refused("A note that should change the key of a log is none.");
  const [older, newer] = [parseVkey(lines[2]), parseVkey(lines[3])];
  if ([older, newer].some((key) => key.kind !== LOG || key.name !== lines[0])) throw new Refused("A note that should change the key of a log is none.");
  const signed = new Set((await verifyNote(note, [older, newer])).map(({ key }) => key.vkey));
  if (!signed.has(older.vkey) || !signed.has(newer.vkey)) throw new Refused(`The change of keys to ${newer.vkey} is not signed by both keys; it does not hold.`);
  return { text: note.text, older, newer, last: isFirstForm ? null : lastOf(older.name, lines.slice(4, -1)) };
}

/** These changes and behind them those given, each from where the one before led; null where one is missing, or leads elsewhere. */
export function followedBy(changes, given) {
  const line = [...changes];
  const rest = new Map(given.filter(({ text }) => !changes.some((one) => one.text === text)).map((one) => [one.text, one]));
  while (rest.size > 0) {
    const ledTo = new Set([...rest.values()].map(({ newer }) => newer.vkey));
    const after = [...rest.values()].filter(({ older }) => (line.length > 0 ? older.vkey === line.at(-1).newer.vkey : !ledTo.has(older.vkey)));
    if (after.length !== 1) return null;
    line.push(after[0]);
    rest.delete(after[0].text);
  }
  return line;
}

function lastOf(name, lines) {
  const found = lines.map((line) => parseCheckpoint([...line.split(" "), ""].join("\n")));
  const last = new Map(found.map((one) => [one.origin, one]));
  if (last.size < found.length || found.some(({ origin }) => !origin.startsWith(`${name}/`))) throw new Refused(`The change of keys of ${shown(name)} names a log twice, or one that is not its own.`);
  return last;
}

/** These keys of logs, those that followed them, and those before them whose last checkpoints they name. */
export function withChanges(keys, changes) {
  const found = [...keys];
  const isKnown = (one) => found.some((key) => key.kind === LOG && same(key.public, one.public) && `${key.name}/`.startsWith(`${one.name}/`));
  for (const { older, newer } of changes) if (isKnown(older)) found.push(newer);
  for (const { older, newer, last } of [...changes].reverse()) if (last && isKnown(newer)) found.push(older);
  return found;
}

/** Whether a key had not stopped to sign before this checkpoint, by all changes that say what it signed last. */
export function countsFor(key, { origin, size, root }, changes) {
  const at = changes.findIndex(({ older }) => same(older.public, key.public));
  const named = at < 0 ? [] : changes.slice(at).filter(({ last }) => last).map(({ last }) => last.get(origin));
  return named.every((last) => last && (size < last.size || (size === last.size && same(root, last.root))));
}

// -- checkpoints ---------------------------------------------------------------------------------------------------------------------

/** Which log, how many leaves and their root. A size beyond 2^53 is a bigint. */
export function parseCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3] !== "") throw new Refused(`This note is no checkpoint: it has ${lines.length - 1} lines of text, and a checkpoint has three.`);
  const [origin, digits, encoded] = lines;
  if (origin === "") throw new Refused("The checkpoint names no log: its first line is empty.");
  if (!/^(0|[1-9][0-9]{0,18})$/.test(digits) || BigInt(digits) > MAX_SIZE) throw new Refused(`${shown(digits)} is no size of a log; it is written in decimal digits without leading zeros.`);
  const root = fromBase64(encoded, "The root");
  if (root.length !== HASH_BYTES) throw new Refused(`The root of the checkpoint has ${root.length} bytes; SHA-256 has ${HASH_BYTES}.`);
  const size = Number.isSafeInteger(Number(digits)) ? Number(digits) : BigInt(digits);
  if (size === 0 && !same(root, EMPTY_ROOT)) throw new Refused("The checkpoint has size 0 and a root that a log without leaves does not have.");
  return { origin, size, root };
}

/** The checkpoint in a note, once the signature of its log holds by one of `keys` that signed then; who has cosigned it when is `seen`. */
export async function openCheckpoint(raw, keys, { origin = null, changes = [] } = {}) {
  const note = parseNote(raw);
  const checkpoint = parseCheckpoint(note.text);
  if (origin !== null && checkpoint.origin !== origin) throw new Refused(`The checkpoint is of the log ${shown(checkpoint.origin)}, not of ${shown(origin)}.`);
  const verified = await verifyNote(note, keys);
  const ofLog = verified.filter(({ key }) => key.kind === LOG && key.name === checkpoint.origin);
  if (ofLog.length === 0) throw new Refused(`No signature on the checkpoint is by a known key of ${shown(checkpoint.origin)}.`);
  const by = ofLog.find(({ key }) => countsFor(key, checkpoint, changes));
  if (!by) throw new Refused(`The checkpoint at ${checkpoint.size} is signed by ${ofLog[0].key.vkey} alone, which another key had followed by then.`);
  const seen = verified.filter(({ key }) => key.kind === WITNESS);
  return { ...checkpoint, by: by.key, seen, unknown: note.signatures.length - verified.length };
}

/** The signatures of a note by these keys. Others are passed over; one by a known key that does not hold is refused. */
export async function verifyNote(note, keys) {
  const known = new Map(keys.map((key) => [identity(key), key]));
  const found = [];
  for (const signature of note.signatures) {
    const key = known.get(identity(signature));
    if (key) found.push(await verifySignature(note.text, signature, key));
  }
  return found;
}

async function verifySignature(text, { blob }, key) {
  const isWitness = key.kind === WITNESS;
  const signature = isWitness ? blob.subarray(TIME_BYTES) : blob;
  if (signature.length !== SIGNATURE_BYTES) throw new Refused(`The signature by ${shown(key.name)} has the wrong length; it does not hold.`);
  const seconds = isWitness ? new DataView(blob.buffer, blob.byteOffset).getBigUint64(0) : null;
  const message = encoder.encode(isWitness ? `cosignature/v1\ntime ${seconds}\n${text}` : text);
  if (!(await holds(key.public, message, signature))) throw new Refused(`The signature by ${shown(key.name)} (${key.id}) does not hold: the text or the signature was changed.`);
  if (isWitness && seconds > MAX_TIME) throw new Refused(`The witness ${shown(key.name)} gives ${seconds} as the time, which is none.`);
  return { key, time: isWitness ? new Date(Number(seconds) * 1000).toISOString() : null };
}

/** Whether the signature over the message was made with this key. */
async function holds(raw, message, signature) {
  let key = null;
  try {
    key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch {
    return holdsByNoble(raw, message, signature);
  }
  return crypto.subtle.verify("Ed25519", key, signature, message);
}

/** The same by @noble/ed25519, which is only loaded where it is needed. */
export async function holdsByNoble(raw, message, signature) {
  const ed25519 = await import("../../vendor/noble-ed25519/noble-ed25519.js");
  ed25519.hashes.sha512 = sha512;
  return ed25519.verify(signature, message, raw, { zip215: false }) && isExact(ed25519.Point, raw, message, signature);
}

/** Whether R is S·B − k·A itself; noble also takes an R or an A with a part of small order, which browsers and OpenSSL refuse. */
function isExact(Point, raw, message, signature) {
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const number = (bytes) => BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`);
  const k = number(sha512(join(r, raw, message))) % Point.CURVE().n;
  return same(Point.BASE.multiply(number(s), false).subtract(Point.fromBytes(raw).multiply(k, false)).toBytes(), r);
}

function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
