// This module is the leaves that a verification made itself, of the sequences from `first` on: their CIDs and hashes, in rows of 256 as tiles have them.
import { CID_BYTES } from "./cid.js";
import { TILE_WIDTH } from "./tiles.js";
import { HASH_BYTES, leafBytes, leafHash, nodeHash } from "./tree.js";

const NOTHING = new Uint8Array(CID_BYTES);

export class Leaves {
  constructor(first) {
    this.first = first;
    this.count = 0;
    this.rows = new Map();
  }

  /** The first index that is not here any more. */
  get end() {
    return this.first - 1 + this.count;
  }

  /** Add the next sequence; `cid` is null where the log says that it held nothing. */
  add(cid) {
    const index = this.end;
    const row = this.row(index);
    const place = index % TILE_WIDTH;
    row.cids.set(cid ?? NOTHING, place * CID_BYTES);
    row.hashes.set(leafHash(leafBytes(index + 1, cid)), place * HASH_BYTES);
    this.count += 1;
  }

  /** The CID at an index, or null where there is nothing. */
  cid(index) {
    const raw = part(this.row(index).cids, index, CID_BYTES);
    return raw[0] === 1 ? raw : null;
  }

  hash(index) {
    return part(this.row(index).hashes, index, HASH_BYTES);
  }

  /** The hash above a span, where it is one leaf or a whole row that is here; else null. */
  known(start, end) {
    if (start < this.first - 1 || end > this.end) return null;
    if (end - start === 1) return this.hash(start);
    if (end - start !== TILE_WIDTH) return null;
    const row = this.row(start);
    row.root ??= rootOfRow(row.hashes);
    return row.root;
  }

  row(index) {
    const number = Math.floor(index / TILE_WIDTH);
    if (!this.rows.has(number)) this.rows.set(number, { cids: new Uint8Array(TILE_WIDTH * CID_BYTES), hashes: new Uint8Array(TILE_WIDTH * HASH_BYTES), root: null });
    return this.rows.get(number);
  }
}

function part(row, index, width) {
  const place = (index % TILE_WIDTH) * width;
  return row.subarray(place, place + width);
}

function rootOfRow(hashes) {
  let row = Array.from({ length: TILE_WIDTH }, (_, index) => part(hashes, index, HASH_BYTES));
  while (row.length > 1) row = row.flatMap((hash, index) => (index % 2 ? [] : [nodeHash(hash, row[index + 1])]));
  return row[0];
}
