// This module reads blocks: strict DAG-CBOR. It accepts exactly the bytes that the console's own `decode` accepts, and names the byte that it refuses.
//
// null, true, false, text → themselves        bytes → Uint8Array        link → Link        list → Array        map → Map
// an integer → a number, beyond 2^53 a bigint        a float → Float, so that 1.0 is never taken for 1
import { isCid } from "./cid.js";

export const MAX_DEPTH = 128;

/** The CID that a block links to, as raw bytes; other bytes are a Uint8Array. */
export class Link {
  constructor(raw) {
    this.raw = raw;
  }
}

export class Float {
  constructor(value) {
    this.value = value;
  }
}

export class NotStrict extends Error {}

const NAMES = ["an unsigned integer", "a negative integer", "a byte string", "text", "a list", "a map", "a tag", "a simple value or float"];
const REFUSED = { 23: "undefined is not allowed", 25: "a 16-bit float is not allowed, floats have 64 bits", 26: "a 32-bit float is not allowed, floats have 64 bits", 31: "a break code is not allowed, lengths are definite" };
const LEAST = { 24: 24, 25: 0x100, 26: 0x10000, 27: 0x100000000 };
const TEXT = 3;
const BYTES = 2;
const LINK_TAG = 42;
const SHORT = 40;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The value of a block. Throws NotStrict. */
export function decode(block) {
  const reader = new Reader(block);
  const value = reader.item(0);
  if (reader.offset !== block.length) reader.refuse(`the value ends here, but the block goes on to byte ${block.length}`);
  return value;
}

/** The value at the beginning of `bytes`, and how many bytes it takes. Throws NotStrict. */
export function decodeFirst(bytes) {
  const reader = new Reader(bytes);
  return { value: reader.item(0), length: reader.offset };
}

class Reader {
  constructor(block) {
    this.block = block;
    this.view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    this.offset = 0;
  }

  refuse(reason, at = this.offset) {
    throw new NotStrict(`Not strict DAG-CBOR at byte ${at}: ${reason}.`);
  }

  /** One item; `depth` lists and maps are open around it. */
  item(depth) {
    const start = this.offset;
    this.need(1);
    const first = this.block[this.offset++];
    const low = first & 31;
    switch (first >> 5) {
      case 0: return this.argument(low);
      case 1: return this.negative(this.argument(low));
      case BYTES: return this.take(this.argument(low));
      case TEXT: return this.text(this.argument(low));
      case 4: return this.list(this.argument(low), depth + 1);
      case 5: return this.map(this.argument(low), depth + 1);
      case 6: return this.link(this.argument(low));
      default: return this.simple(low, start);
    }
  }

  argument(low) {
    if (low < 24) return low;
    if (low > 27) this.refuse(low === 31 ? "an indefinite length is not allowed" : `the additional information ${low} is reserved`);
    const size = 1 << (low - 24);
    this.need(size);
    const at = this.offset;
    this.offset += size;
    const number = size === 1 ? this.block[at] : size === 2 ? this.view.getUint16(at) : size === 4 ? this.view.getUint32(at) : plain(this.view.getBigUint64(at));
    if (number < LEAST[low]) this.refuse(`the number ${number} is written in ${size + 1} bytes, which is not the shortest form`, at);
    return number;
  }

  negative(argument) {
    return typeof argument === "number" && argument < Number.MAX_SAFE_INTEGER ? -1 - argument : plain(-1n - BigInt(argument));
  }

  need(count) {
    if (count > this.block.length - this.offset) this.refuse(`the block is cut short, bytes needed: ${count}, left: ${this.block.length - this.offset}`);
  }

  take(count) {
    this.need(count);
    this.offset += Number(count);
    return this.block.subarray(this.offset - Number(count), this.offset);
  }

  text(length) {
    const at = this.offset;
    const content = this.take(length);
    const short = content.length < SHORT ? ascii(content) : null;
    if (short !== null) return short;
    try {
      return utf8.decode(content);
    } catch {
      return this.refuse("text is not UTF-8", at);
    }
  }

  list(length, depth) {
    this.enter(length, depth, 1);
    const items = [];
    for (let index = 0; index < length; index++) items.push(this.item(depth));
    return items;
  }

  map(length, depth) {
    this.enter(length, depth, 2);
    const found = new Map();
    let last = null;
    for (let index = 0; index < length; index++) {
      const at = this.offset;
      this.need(1);
      const first = this.block[this.offset++];
      if (first >> 5 !== TEXT) this.refuse(`a map key is ${NAMES[first >> 5]}, only text is allowed`, at);
      const count = this.argument(first & 31);
      const key = this.text(count);
      const raw = this.block.subarray(this.offset - count, this.offset);
      if (last !== null && !isBefore(last, raw)) this.refuse(`the map key ${JSON.stringify(key.slice(0, 40))} is out of order, or occurs twice`, at);
      last = raw;
      found.set(key, this.item(depth));
    }
    return found;
  }

  enter(length, depth, bytesEach) {
    if (depth > MAX_DEPTH) this.refuse(`lists and maps are nested more than ${MAX_DEPTH} deep`);
    const left = this.block.length - this.offset;
    if (length > left / bytesEach) this.refuse(`the declared number of items, ${length}, does not fit into the bytes left: ${left}`);
  }

  link(tag) {
    if (tag !== LINK_TAG) this.refuse(`tag ${tag} is not allowed, only tag ${LINK_TAG} for links`);
    const at = this.offset;
    this.need(1);
    const first = this.block[this.offset++];
    if (first >> 5 !== BYTES) this.refuse(`a link holds ${NAMES[first >> 5]}, it must hold a byte string`, at);
    const content = this.take(this.argument(first & 31));
    if (content[0] !== 0) this.refuse("a link does not begin with the byte 0x00", at);
    if (!isCid(content.subarray(1))) this.refuse("a link holds bytes that are no CID", at);
    return new Link(content.subarray(1));
  }

  simple(low, at) {
    if (low === 20) return false;
    if (low === 21) return true;
    if (low === 22) return null;
    if (low !== 27) this.refuse(REFUSED[low] ?? "simple values other than false, true and null are not allowed", at);
    this.need(8);
    const number = this.view.getFloat64(this.offset);
    this.offset += 8;
    if (!Number.isFinite(number)) this.refuse(`the float ${number} is not allowed, numbers are finite`, at);
    if (Object.is(number, -0)) this.refuse("the float -0.0 is not allowed, zero is 0.0", at);
    return new Float(number);
  }
}

const plain = (big) => (big <= Number.MAX_SAFE_INTEGER && big >= Number.MIN_SAFE_INTEGER ? Number(big) : big);

/** Short text without a look at UTF-8, or null where it is not ASCII alone. */
function ascii(content) {
  let text = "";
  for (let index = 0; index < content.length; index++) {
    if (content[index] > 127) return null;
    text += String.fromCharCode(content[index]);
  }
  return text;
}

/** The order of keys: shorter first, then by bytes. */
function isBefore(one, other) {
  if (one.length !== other.length) return one.length < other.length;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return one[index] < other[index];
  return false;
}
