// This module names blocks: a CID is version 1, codec and BLAKE3-256 of the bytes, 36 raw bytes in all; its text is lower-case base32.
import { blake3 } from "../../vendor/noble-hashes/noble-hashes.js";

export const DAG_CBOR = 0x71;
export const RAW = 0x55;
export const CID_BYTES = 36;

const BLAKE3 = 0x1e;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const LONGEST_VARINT = 9;

/** The CID of a block: 36 raw bytes. */
export function cidOf(block, codec = DAG_CBOR) {
  const cid = new Uint8Array(CID_BYTES);
  cid.set([1, codec, BLAKE3, 32]);
  cid.set(blake3(block), 4);
  return cid;
}

/** Whether the bytes are a CID of our profile. */
export const isOurs = (raw, codec = DAG_CBOR) => raw.length === CID_BYTES && raw[0] === 1 && raw[1] === codec && raw[2] === BLAKE3 && raw[3] === 32;

/** Whether the bytes are exactly one CID, ours or foreign, of version 0 or 1. */
export function isCid(raw) {
  if (isOurs(raw) || (raw.length === 34 && raw[0] === 0x12 && raw[1] === 32)) return true;
  if (raw[0] !== 1) return false;
  let offset = 1;
  let number = 0;
  for (let field = 0; field < 3; field++) {
    const found = varint(raw, offset, LONGEST_VARINT);
    if (found === null) return false;
    [number, offset] = found;
  }
  return raw.length - offset === number;
}

/** The unsigned number that begins at `offset`, in its shortest form, and the offset behind it; null where there is none. */
export function varint(raw, offset, longest) {
  let number = 0;
  for (let place = 0; place < longest && offset + place < raw.length; place++) {
    const byte = raw[offset + place];
    number += (byte & 0x7f) * 2 ** (7 * place);
    if (byte < 0x80) return byte === 0 && place > 0 ? null : [number, offset + place + 1];
  }
  return null;
}

/** The text of a CID of version 1. */
export function textOf(raw) {
  let [text, bits, count] = ["b", 0, 0];
  for (const byte of raw) {
    bits = (bits << 8) | byte;
    count += 8;
    for (; count >= 5; count -= 5) text += ALPHABET[(bits >> (count - 5)) & 31];
    bits &= (1 << count) - 1;
  }
  return count > 0 ? text + ALPHABET[(bits << (5 - count)) & 31] : text;
}

/** The CID that a text names, or null where it is not the one spelling of a CID of our profile. */
export function parseCid(text) {
  if (!/^b[a-z2-7]{58}$/.test(text)) return null;
  const raw = new Uint8Array(CID_BYTES);
  let [bits, count, at] = [0, 0, 0];
  for (const letter of text.slice(1)) {
    bits = ((bits << 5) | ALPHABET.indexOf(letter)) & 0xfff;
    count += 5;
    if (count >= 8 && at < CID_BYTES) {
      count -= 8;
      raw[at++] = (bits >> count) & 255;
    }
  }
  return isOurs(raw) && textOf(raw) === text ? raw : null;
}

export function same(one, other) {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}
