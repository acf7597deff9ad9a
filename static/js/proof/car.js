// This module reads CARv1: a header with its one root, then blocks, each hashed anew. It accepts what the console's own verifier of evidence accepts.
import { Link, decode } from "./cbor.js";
import { CID_BYTES, DAG_CBOR, RAW, cidOf, isOurs, same, textOf } from "./cid.js";

const LONGEST_VARINT = 9;

export class NoCar extends Error {}

/** The name of a CID as the key of a Map. */
export const keyOf = (cid) => String.fromCharCode(...cid);

/** The root, and every block by `keyOf` its CID. Throws NoCar, NotStrict. */
export function readCar(data) {
  need(data.length > 0, "the file is empty");
  let [length, at] = varint(data, 0);
  need(length > 0 && length <= data.length - at, "the file is cut off within its header, or is no CAR");
  const root = readRoot(decode(data.subarray(at, at + length)));
  const blocks = new Map();
  for (at += length; at < data.length; at += length) {
    [length, at] = varint(data, at);
    need(length > 0, "a section of the file is empty");
    need(length <= data.length - at, "the file is cut off");
    need(length > CID_BYTES, "a section of the file holds no block");
    const cid = data.subarray(at, at + CID_BYTES);
    const block = data.subarray(at + CID_BYTES, at + length);
    need(isNamed(cid, block), `a block of the file does not have the hash of its CID ${textOf(cid)}`);
    need(!blocks.has(keyOf(cid)), `the block ${textOf(cid)} is there twice`);
    blocks.set(keyOf(cid), { cid, block });
  }
  return { root, blocks };
}

function readRoot(header) {
  const version = header instanceof Map ? header.get("version") : null;
  need(Number.isInteger(version) || typeof version === "bigint", "the file is no CAR");
  need(version !== 2, "the file is a CARv2, and only CARv1 is read");
  need(version === 1 && header.size === 2 && header.has("roots"), "the file is no CARv1");
  const roots = header.get("roots");
  need(Array.isArray(roots) && roots.length === 1 && roots[0] instanceof Link, "the file does not have one root");
  return roots[0].raw;
}

/** Whether a CID is that of a block of ours, or of plain bytes. */
function isNamed(cid, block) {
  const codec = cid[1];
  return (codec === DAG_CBOR || codec === RAW) && isOurs(cid, codec) && same(cid, cidOf(block, codec));
}

function varint(data, start) {
  let number = 0;
  for (let place = 0; place < LONGEST_VARINT; place++) {
    need(start + place < data.length, "the file is cut off");
    const byte = data[start + place];
    number += (byte & 0x7f) * 2 ** (7 * place);
    if (byte < 0x80) {
      need(byte > 0 || place === 0, "a length in the file is not in its shortest form");
      return [number, start + place + 1];
    }
  }
  throw new NoCar("a length in the file has more than 9 bytes");
}

function need(isSo, what) {
  if (!isSo) throw new NoCar(what);
}
