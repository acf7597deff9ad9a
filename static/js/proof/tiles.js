// This module is where the hashes of a tree lie in tiles (C2SP tlog-tiles): 256 hashes of one level in a row, only the last of a level partial.
import { BadProof, HASH_BYTES, middleOf, nodeHash } from "./tree.js";

export const ENTRIES = -1;
export const TILE_WIDTH = 256;

/** The path of a tile; of one that holds less than 256, with its width. */
export function tilePath({ level, number }, width = TILE_WIDTH) {
  const groups = [String(number % 1000).padStart(3, "0")];
  for (let rest = Math.floor(number / 1000); rest > 0; rest = Math.floor(rest / 1000)) groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  return `tile/${level === ENTRIES ? "entries" : level}/${groups.join("/")}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** How many hashes or leaves a tile holds in a tree of `size` leaves. */
export const widthIn = (size) => ({ level, number }) => Math.max(0, Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** Math.max(0, level)) - number * TILE_WIDTH));

/** The perfect subtrees that make up a span, from left to right. */
export function perfectParts(start, end) {
  const parts = [];
  for (let at = start; at < end; ) {
    let [level, width] = [0, 1];
    while (width * 2 <= end - at && at % (width * 2) === 0) [level, width] = [level + 1, width * 2];
    parts.push({ level, number: at / width, start: at, end: at + width });
    at += width;
  }
  return parts;
}

/** The perfect subtrees of a tree of `size` leaves that hold none of the leaves from `first` up to, not with, `last`. */
export function partsBeside(size, first, last) {
  const parts = [];
  const walk = (start, end) => {
    if (end <= first || start >= last) parts.push(...perfectParts(start, end));
    else if (start < first || end > last) {
      const middle = middleOf(start, end);
      walk(start, middle);
      walk(middle, end);
    }
  };
  if (size > 0) walk(0, size);
  return parts;
}

/** The tile that holds the hashes under a perfect subtree. */
export function tileOf({ level, number }) {
  const tileLevel = Math.floor(level / 8);
  return { level: tileLevel, number: Math.floor((number * 2 ** (level % 8)) / TILE_WIDTH) };
}

/** The hash of a perfect subtree, from `tiles` by path. Throws BadProof where its tile lacks it. */
export function nodeOf(tiles, part) {
  const tile = tilePath(tileOf(part));
  const count = 2 ** (part.level % 8);
  const start = ((part.number * count) % TILE_WIDTH) * HASH_BYTES;
  const hashes = tiles.get(tile) ?? new Uint8Array(0);
  if (hashes.length < start + count * HASH_BYTES) throw new BadProof(`The server's log lacks hashes of ${tile}.`);
  let row = Array.from({ length: count }, (_, index) => hashes.subarray(start + index * HASH_BYTES, start + (index + 1) * HASH_BYTES));
  while (row.length > 1) row = row.flatMap((hash, index) => (index % 2 ? [] : [nodeHash(hash, row[index + 1])]));
  return row[0];
}

/** The tiles that these subtrees lie in, each once. */
export const tilesOf = (parts) => [...new Map(parts.map((part) => [tilePath(tileOf(part)), tileOf(part)])).values()];

/** The root above a span, from perfect subtrees in `tiles`. */
export const spanHash = (tiles, [start, end]) => perfectParts(start, end).map((part) => nodeOf(tiles, part)).reduceRight((right, left) => nodeHash(left, right));
