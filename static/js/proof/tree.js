// This module is the tree of a log (RFC 6962, SHA-256): its root as leaves come, and the proofs that a tree holds a leaf or begins with an older one.
import { sha256 } from "../../vendor/noble-hashes/noble-hashes.js";
import { CID_BYTES, same } from "./cid.js";

export const HASH_BYTES = 32;
export const LEAF_BYTES = 8 + CID_BYTES;
export const EMPTY_ROOT = sha256(new Uint8Array(0));

const MAX_SIZE = 2n ** 63n - 1n;

export class BadProof extends Error {}

/** The 44 bytes of one sequence; `cid` is null where it holds nothing. */
export function leafBytes(sequence, cid) {
  const leaf = new Uint8Array(LEAF_BYTES);
  new DataView(leaf.buffer).setBigUint64(0, BigInt(sequence));
  if (cid !== null) leaf.set(cid, 8);
  return leaf;
}

export function leafHash(leaf) {
  const message = new Uint8Array(leaf.length + 1);
  message.set(leaf, 1);
  return sha256(message);
}

export function nodeHash(left, right) {
  const message = new Uint8Array(1 + 2 * HASH_BYTES);
  message[0] = 1;
  message.set(left, 1);
  message.set(right, 1 + HASH_BYTES);
  return sha256(message);
}

/** The roots of the perfect subtrees of a tree that grows at its right edge. */
export class Frontier {
  constructor() {
    this.size = 0;
    this.parts = [];
  }

  /** Add the hash of a leaf. */
  append(hash) {
    this.parts.push(hash);
    this.size += 1;
    for (let filled = this.size; filled % 2 === 0; filled /= 2) {
      const right = this.parts.pop();
      this.parts.push(nodeHash(this.parts.pop(), right));
    }
  }

  root() {
    if (this.size === 0) return EMPTY_ROOT;
    return this.parts.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** The root of the spans from `start` up to, not with, `end`, each leaf or perfect subtree as `known` gives it, or divided where that gives null. */
export function rootOf(start, end, known) {
  if (start === end) return EMPTY_ROOT;
  const found = known(start, end);
  if (found) return found;
  if (end - start === 1) throw new BadProof(`The hash of leaf ${start} is missing.`);
  const middle = middleOf(start, end);
  return nodeHash(rootOf(start, middle, known), rootOf(middle, end, known));
}

/** Where a span is divided: after the largest power of two that is smaller than it. */
export function middleOf(start, end) {
  let half = 1;
  while (half * 2 < end - start) half *= 2;
  return start + half;
}

/** The spans whose hashes prove that a tree of `newSize` leaves begins with one of `oldSize` (RFC 6962, 2.1.2). */
export function consistencySpans(oldSize, newSize) {
  const found = [];
  let [start, end, isWhole] = [0, newSize, true];
  while (end !== oldSize) {
    const middle = middleOf(start, end);
    if (oldSize <= middle) {
      found.push([middle, end]);
      end = middle;
    } else {
      found.push([start, middle]);
      start = middle;
      isWhole = false;
    }
  }
  return [...(isWhole ? [] : [[start, end]]), ...found.reverse()];
}

/** Throw BadProof unless `proof` leads from the hash of the leaf at `index` to the root of a tree of `size` leaves. */
export function checkInclusion(leaf, { index, size, proof, root }) {
  checkHashes([leaf, root, ...proof]);
  let [place, last, found] = [BigInt(index), BigInt(size) - 1n, leaf];
  if (place < 0n || place > last || last >= MAX_SIZE) throw new BadProof(`A log of ${size} leaves has none at index ${index}.`);
  for (const sibling of proof) {
    if (last === 0n) throw new BadProof(`The proof of leaf ${index} of ${size} is too long.`);
    const isRight = place & 1n || place === last;
    found = isRight ? nodeHash(sibling, found) : nodeHash(found, sibling);
    if (isRight) [place, last] = climb(place, last);
    [place, last] = [place >> 1n, last >> 1n];
  }
  if (last !== 0n) throw new BadProof(`The proof of leaf ${index} of ${size} is too short.`);
  if (!same(found, root)) throw new BadProof(`The proof of leaf ${index} leads to another root.`);
}

/** Throw BadProof unless `proof` shows that the tree of `newSize` leaves begins with the one of `oldSize`. */
export function checkConsistency({ oldSize, oldRoot, newSize, newRoot, proof }) {
  const [older, newer] = [BigInt(oldSize), BigInt(newSize)];
  if (older <= 0n || older > newer || newer > MAX_SIZE) throw new BadProof(`A log of ${newSize} leaves cannot be shown to extend one of ${oldSize}.`);
  if (older === newer) {
    if (proof.length > 0 || !same(oldRoot, newRoot)) throw new BadProof(`Two logs of ${newSize} leaves each have different roots, or a proof where none is needed.`);
    return;
  }
  checkHashes([oldRoot, newRoot, ...proof]);
  const [before, after] = rootsOf((older & (older - 1n)) === 0n ? [oldRoot, ...proof] : [...proof], older, newer);
  if (!same(before, oldRoot)) throw new BadProof(`The log of ${newSize} leaves does not begin with the ${oldSize} that were seen before.`);
  if (!same(after, newRoot)) throw new BadProof(`The proof from ${oldSize} to ${newSize} leaves leads to another root.`);
}

/** The two roots that the hashes of a consistency proof lead to. */
function rootsOf(hashes, older, newer) {
  let [place, last] = [older - 1n, newer - 1n];
  while (place & 1n) [place, last] = [place >> 1n, last >> 1n];
  if (hashes.length === 0) throw new BadProof("The proof is empty.");
  let [before, after] = [hashes[0], hashes[0]];
  for (const sibling of hashes.slice(1)) {
    if (last === 0n) throw new BadProof(`The proof from ${older} to ${newer} leaves is too long.`);
    if (place & 1n || place === last) {
      [before, after] = [nodeHash(sibling, before), nodeHash(sibling, after)];
      [place, last] = climb(place, last);
    } else after = nodeHash(after, sibling);
    [place, last] = [place >> 1n, last >> 1n];
  }
  if (last !== 0n) throw new BadProof(`The proof from ${older} to ${newer} leaves is too short.`);
  return [before, after];
}

/** Past the levels at whose right edge there is no neighbour. */
function climb(place, last) {
  while (!(place & 1n) && place) [place, last] = [place >> 1n, last >> 1n];
  return [place, last];
}

function checkHashes(hashes) {
  for (const hash of hashes) if (hash.length !== HASH_BYTES) throw new BadProof(`A hash of ${hash.length} bytes is no SHA-256.`);
}
