// This module verifies evidence: a CAR with events and the proof that signed checkpoints cover them. It comes to the same verdict, in the same
// words, as apps/persistence/transfer/evidence_verifier.py, which says what is checked and why.
import { readCar, keyOf } from "./car.js";
import { Link, decode } from "./cbor.js";
import { DAG_CBOR, RAW, isOurs, same } from "./cid.js";
import { LOG, WITNESS, countsFor, followedBy, fromBase64, named, notesIn, parseCheckpoint, parseNote, readChange, readChanges, toBase64, trimmed, verifyNote, withChanges } from "./notes.js";
import { isMet, policyOfKeys, readPolicy } from "./policy.js";
import { checkConsistency, checkInclusion, leafBytes, leafHash, middleOf, nodeHash } from "./tree.js";

export const FORMAT = "cim-evidence/2";
export const PROVES = [
  "Each event is byte for byte the one that the log's key signed for, at its sequence in the stream.",
  "Where two versions of an aggregate that follow each other are both here, the later one names the earlier one by its hash.",
  "Where no sequence is left out, none was: there is no further event between the first and the last.",
];
export const DOES_NOT_PROVE = [
  "That what an event says was true when it was written.",
  "That these are all events of an aggregate: other sequences of the log, not in the file, may hold further or other events of it.",
  "That there is no other history that the same key signed for somebody else; that is what witnesses are for.",
  "Who made this file, when and why: only events, their places and the checkpoints are signed.",
];

const BEFORE_A_CHANGE = "; of a file from before a change of that key give the note of the change too (/log/vkeys/2 and on), or the older key";
const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
const ROOT = /^[^ .*>]+(\.[^ .*>]+)*$/;
const HIDDEN = /[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;
const HASH_BYTES = 32;
const MOST_CHANGES = 1000;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The file is not what it has to be. */
export class Wrong extends Error {}

/** None of the keys that are known has signed; that says nothing of the file itself. */
export class NoKey extends Wrong {}

/** What the reader gave as keys, as a policy or as changes is none; that says nothing of the file either. */
export class Unusable extends Wrong {}

/** A text in which all that moves a cursor, ends a line, turns the direction or cannot be seen is spelled out. */
export const shown = (text) => text.replace(HIDDEN, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);

/** A key as it was given, without white space around it. */
function readable(vkey) {
  const text = trimmed(vkey);
  need(shown(text) === text, `'${text.slice(0, 80)}' holds a character that cannot be seen; white space of ASCII alone may stand around a key`);
  return text;
}

/** Whose word counts for the reader; null where nothing was given. */
function readGiven(vkeys, policy) {
  if (vkeys.length > 0 && policy !== null) throw new Unusable("both keys and a policy were given; give the one or the other");
  try {
    return policy !== null ? readPolicy(policy) : vkeys.length > 0 ? policyOfKeys(vkeys.map(readable)) : null;
  } catch (error) {
    throw new Unusable(`what was given is no ${policy === null ? "key" : "policy"}: ${error.message}`);
  }
}

/** The changes of keys that the reader has the notes of, one after another in a text, in any order. */
async function readGivenChanges(text) {
  if (text === "") return [];
  try {
    const changes = [];
    for (const note of notesIn(text)) changes.push(await readChange(encoder.encode(note)));
    need(changes.length <= MOST_CHANGES, `there are more than ${MOST_CHANGES}`);
    return changes;
  } catch (error) {
    throw new Unusable(`what was given is no change of a key: ${error.message}`);
  }
}

/** What was found, in lines, and the plain files by name. Throws NoKey where the keys do not fit; whatever else is thrown says that the file is not intact. */
export async function verify(data, { vkeys = [], policy = null, changes = "" } = {}) {
  const [given, later] = [readGiven(vkeys, policy), await readGivenChanges(changes)];
  const bundle = openBundle(data);
  const streams = new Set();
  const lines = [];
  need(bundle.manifest.get("logs").length > 0, "the manifest has no log");
  for (const log of bundle.manifest.get("logs")) {
    checkFields(log, { stream: isText, checkpoint: isLink, policy: isLink, rotations: isList, hashes: isList, events: isList, proofs: isList, since: isMapOrNull, begins_anew: isSwitch });
    const stream = log.get("stream");
    need(!streams.has(stream), `the log of ${stream.slice(0, 80)} is there twice`);
    streams.add(stream);
    lines.push(...(await verifyLog(bundle, log, given, later)));
  }
  need(bundle.used.size === bundle.blocks.size, "the file holds blocks that belong to nothing");
  lines.push(...bundle.manifest.get("without").map((one) => `Not in the file (not signed): ${one}`));
  return { lines: lines.map(shown), manifest: bundle.manifest };
}

// -- the manifest --------------------------------------------------------------------------------------------------------------------

const isText = (value) => typeof value === "string";
const isLink = (value) => value instanceof Link;
const isList = (value) => Array.isArray(value);
const isSwitch = (value) => typeof value === "boolean";
const isMapOrNull = (value) => value === null || value instanceof Map;
const isSequence = (value) => typeof value === "number";
const isHash = (value) => value instanceof Uint8Array && value.length === HASH_BYTES;

function openBundle(data) {
  const { root, blocks } = readCar(data);
  need(blocks.has(keyOf(root)) && isOurs(root), "the root of the file is not in it");
  const manifest = decode(blocks.get(keyOf(root)).block);
  need(manifest instanceof Map && manifest.get("format") === FORMAT, `the root of the file is not of the format ${FORMAT}`);
  checkFields(manifest, { format: isText, about: isText, logs: isList, files: isList, without: isList, at: isText, by: isText, reason: isText });
  need(manifest.get("without").every(isText), "the manifest is not what it has to be");
  const [names, taken] = [new Map(), new Set()];
  for (const attached of manifest.get("files")) {
    checkFields(attached, { name: isText, cid: isLink });
    const [name, cid] = [attached.get("name"), attached.get("cid").raw];
    need(NAME.test(name), `a file has a name that is none: '${name.slice(0, 80)}'`);
    need(blocks.has(keyOf(cid)) && isOurs(cid, RAW), `${name} is missing`);
    need(!names.has(keyOf(cid)) && !taken.has(name), `${name} is there twice`);
    names.set(keyOf(cid), name);
    taken.add(name);
  }
  return { manifest, blocks, names, used: new Set([keyOf(root), ...names.keys()]) };
}

/** Whether a map has exactly these fields, of these types. */
function checkFields(value, kinds) {
  const names = Object.keys(kinds);
  need(value instanceof Map && value.size === names.length && names.every((name) => value.has(name)), "the manifest is not what it has to be");
  for (const name of names) need(kinds[name](value.get(name)), `${name} in the manifest is not what it has to be`);
}

/** A plain file as text. */
function textIn(bundle, link) {
  need(isLink(link) && bundle.names.has(keyOf(link.raw)), "a file that the manifest names is missing");
  return utf8.decode(bundle.blocks.get(keyOf(link.raw)).block);
}

function checkHashes(value) {
  need(isList(value) && value.every(isHash), "the hashes of a proof are none");
  return value;
}

// -- a log ---------------------------------------------------------------------------------------------------------------------------

async function verifyLog(bundle, log, given, later) {
  const own = readPolicy(textIn(bundle, log.get("policy")));
  const policy = given ?? own;
  need(log.get("rotations").length <= MOST_CHANGES, `the file has more than ${MOST_CHANGES} changes of keys`);
  const changes = followedBy(await readChanges(log.get("rotations").map((one) => encoder.encode(textIn(bundle, one)))), later);
  if (!changes) throw new NoKey("the changes of keys that were given do not go on from those in the file: one is missing, or leads elsewhere");
  const keys = withChanges(policy.keys, changes);
  const note = textIn(bundle, log.get("checkpoint"));
  const checkpoint = await readCheckpoint(note, keys, changes);
  const { origin, size, root } = checkpoint;
  need(origin.slice(origin.lastIndexOf("/") + 1) === log.get("stream"), `the checkpoint is not that of the log of ${log.get("stream").slice(0, 80)}`);
  if (!isMet(policy, checkpoint.seen.map(({ key }) => key))) throw new NoKey(`the checkpoint of ${origin} is not cosigned by the witnesses that are asked for`);
  const leaves = readLeaves(bundle, log);
  need(same(rootOf(size, leaves, checkHashes(log.get("hashes"))), root), `the events do not lead to the root that ${origin} signed`);
  const [first, last] = [leaves[0].index + 1, leaves.at(-1).index + 1];
  const lines = [
    `${origin}: ${leaves.length} events under the checkpoint of ${size} leaves`,
    `  sequences ${first} to ${last}, ${last - first + 1 - leaves.length || "none"} left out`,
    ...checkpoint.seen.map(({ key, time }) => `  seen by ${key.name} at ${time.slice(0, 19)}+00:00`),
  ];
  if (log.get("since") !== null) lines.push(await goesOn(bundle, log.get("since"), checkpoint, keys, changes));
  const byIndex = new Map(leaves.map((one) => [one.index, one]));
  for (const proof of log.get("proofs")) {
    need(isList(proof) && proof.length === 2 && isSequence(proof[0]), "a proof in the manifest is none");
    checkProof(textIn(bundle, proof[1]), proof[0], byIndex, checkpoint, note);
    lines.push(`  ${bundle.names.get(keyOf(proof[1].raw))} proves sequence ${proof[0]} by itself`);
  }
  return [...lines, ...chains(log, bundle.blocks)];
}

/** A checkpoint whose log's signature holds, by a key that signed then, with those who have cosigned it. */
async function readCheckpoint(text, keys, changes) {
  const note = parseNote(encoder.encode(text));
  const found = checkSize(parseCheckpoint(note.text));
  const ofLog = keys.filter((key) => key.kind === LOG && found.origin.startsWith(`${key.name}/`)).map((key) => named(key, found.origin));
  const verified = await verifyNote(note, [...keys, ...ofLog]);
  const by = verified.filter(({ key }) => key.kind === LOG && key.name === found.origin);
  if (by.length === 0) throw new NoKey(`none of the keys given is the one of ${found.origin} that signed the checkpoint${BEFORE_A_CHANGE}`);
  if (!by.some(({ key }) => countsFor(key, found, changes))) throw new NoKey(`the checkpoint of ${found.origin} at ${found.size} is signed by a key that another one had followed by then`);
  return { ...found, seen: verified.filter(({ key }) => key.kind === WITNESS) };
}

function checkSize(checkpoint) {
  need(typeof checkpoint.size === "number", "the size of the checkpoint is none");
  need(checkpoint.size > 0, "the checkpoint is of a log without leaves");
  return checkpoint;
}

/** The events' leaves with their index, in order. */
function readLeaves(bundle, log) {
  const leaves = [];
  let before = 0;
  for (const entry of log.get("events")) {
    need(isList(entry) && entry.length === 3 && Number.isInteger(entry[0]) && isLink(entry[1]) && isText(entry[2]), "an event in the manifest is none");
    const [sequence, { raw: cid }] = entry;
    need(sequence > before, `the event at sequence ${sequence} is not in its place`);
    need(bundle.blocks.has(keyOf(cid)) && isOurs(cid, DAG_CBOR), `the event at sequence ${sequence} is missing`);
    leaves.push({ index: sequence - 1, leaf: leafBytes(sequence, cid) });
    bundle.used.add(keyOf(cid));
    before = sequence;
  }
  return leaves;
}

/** The root, from the leaves that are known and the hashes of all parts without one, from left to right. */
function rootOf(size, leaves, hashes) {
  need(leaves.length > 0 && leaves.at(-1).index < size, "an event lies outside the log");
  let used = 0;
  const walk = (start, end, first, last) => {
    if (first === last) {
      need(used < hashes.length, "a hash of the proof is missing");
      return hashes[used++];
    }
    if (end - start === 1) return leafHash(leaves[first].leaf);
    const middle = middleOf(start, end);
    let between = first;
    while (between < last && leaves[between].index < middle) between++;
    return nodeHash(walk(start, middle, first, between), walk(middle, end, between, last));
  };
  const root = walk(0, size, 0, leaves.length);
  need(used === hashes.length, "the proof has hashes that belong nowhere");
  return root;
}

/** Whether the log begins with the older one whose checkpoint somebody brought. */
async function goesOn(bundle, since, checkpoint, keys, changes) {
  checkFields(since, { note: isLink, hashes: isList });
  const text = textIn(bundle, since.get("note"));
  const isSigned = text.includes("\n\n");
  const old = isSigned ? await readCheckpoint(text, keys, changes) : checkSize(parseCheckpoint(text));
  need(old.origin === checkpoint.origin && old.size <= checkpoint.size, "the older checkpoint is not one of this log");
  checkConsistency({ oldSize: old.size, oldRoot: old.root, newSize: checkpoint.size, newRoot: checkpoint.root, proof: checkHashes(since.get("hashes")) });
  const which = isSigned ? "is signed" : "is not signed: compare it with what you noted";
  return `  begins with the ${old.size} leaves whose root is ${toBase64(old.root)}; that checkpoint ${which}`;
}

/** Whether a proof for public clients (https://c2sp.org/tlog-proof) is that of this event under this checkpoint. */
function checkProof(text, sequence, leaves, checkpoint, note) {
  const end = text.indexOf("\n\n");
  const [mark, index, ...lines] = text.slice(0, Math.max(0, end)).split("\n");
  const index0 = sequence - 1;
  need(mark === "c2sp.org/tlog-proof@v1" && index === `index ${index0}` && text.slice(end + 2) === note, "a tlog-proof is not what it has to be");
  const found = leaves.get(index0);
  need(found, `a tlog-proof is of sequence ${sequence}, which is not in the file`);
  const proof = checkHashes(lines.map((line) => fromBase64(line, "A hash")));
  checkInclusion(leafHash(found.leaf), { index: index0, size: checkpoint.size, proof, root: checkpoint.root });
}

// -- chains --------------------------------------------------------------------------------------------------------------------------

/** Whether each event follows the one that it links to, wherever both are here, and lies under its own subject. */
function chains(log, blocks) {
  const found = new Map();
  for (const [sequence, { raw: cid }, subject] of log.get("events")) {
    const { name, version, previous, own } = readEvent(decode(blocks.get(keyOf(cid)).block), sequence);
    need(isSubject(subject, own), `the event at sequence ${sequence} does not belong under its subject ${subject.slice(0, 120)}`);
    if (!found.has(name)) found.set(name, new Map());
    need(!found.get(name).has(version), `version ${version} of ${name} is there twice`);
    found.get(name).set(version, { cid, previous });
  }
  return [...found.keys()].sort().flatMap((name) => chain(name, found.get(name), log.get("begins_anew")));
}

function chain(name, versions, beginsAnew) {
  let [least, greatest] = [Infinity, 0];
  const lines = [];
  for (const [version, { previous }] of versions) {
    const isFirst = (previous === null) === (version === 1);
    need(isFirst || beginsAnew, `version ${version} of ${name} has a link that cannot be`);
    const before = versions.get(version - 1);
    need(!before || (previous !== null && same(before.cid, previous)), `version ${version} of ${name} follows another event`);
    if (!isFirst) lines.push(`  ${name}: what version ${version} follows was not checked; the file says that the stream begins anew (not signed)`);
    [least, greatest] = [Math.min(least, version), Math.max(greatest, version)];
  }
  const leftOut = greatest - least + 1 - versions.size;
  return [...lines, `  ${name}: versions ${least} to ${greatest}, ${leftOut ? `${leftOut} left out` : "without a gap"}`];
}

/** Whether a subject is the own one of an event, behind the root of the stream's layout, which nobody signs. */
const isSubject = (subject, own) => subject.endsWith(own) && ROOT.test(subject.slice(0, -own.length)) && shown(subject) === subject;

/** Aggregate, version and link of an event, and its subject without the root of the layout. */
function readEvent(event, sequence) {
  const what = `the block at sequence ${sequence} is no event`;
  need(event instanceof Map && ["aggregate", "version", "previous", "type"].every((name) => event.has(name)), what);
  const [aggregate, version, previous, type] = ["aggregate", "version", "previous", "type"].map((name) => event.get(name));
  need(aggregate instanceof Map && aggregate.size === 3 && typeof version === "number" && version > 0, what);
  need(previous === null || isLink(previous), what);
  const tokens = [...["context", "type", "id"].map((name) => aggregate.get(name)), type];
  need(tokens.every((one) => isText(one) && TOKEN.test(one)), what);
  const [context, kind, id] = tokens;
  return { name: `${context}.${kind}.${id}`, version, previous: previous && previous.raw, own: `.${context}.${kind}.${id}.${type}.v${version}` };
}

function need(isSo, what) {
  if (!isSo) throw new Wrong(what);
}
