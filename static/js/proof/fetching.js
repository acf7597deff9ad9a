// This module is what a verification fetches: the checkpoint, keys and tiles of a log, and the stored bytes of its stream, as contract and C2SP have them.
import { LOG, Refused, parseVkey, readChanges } from "./notes.js";
import { ENTRIES, tilePath } from "./tiles.js";

const AT_ONCE = 6;
const AHEAD = 3;
const PART = 2000;
const utf8 = new TextDecoder();
const NOTHING = new Uint8Array(0);

/** What the server answered when it did not give what was asked for. */
export class NotGiven extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

/** The answer to one request, past every cache: what the server holds now. */
async function ask(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", credentials: "same-origin" });
  } catch {
    throw new NotGiven(`The server gave no answer to ${path}; try again when it is there.`, 0);
  }
  if (!answer.ok) throw new NotGiven((await answer.text()).trim().slice(0, 300) || `The server refused ${path}.`, answer.status);
  return answer;
}

const brokeOff = () => {
  throw new NotGiven("The server's answer broke off; try again.", 0);
};
const wholeOf = async (answer) => new Uint8Array(await answer.arrayBuffer().catch(brokeOff));
const bytesOf = async (path) => wholeOf(await ask(path));
const orNull = (error) => {
  if (error instanceof NotGiven && error.status === 404) return null;
  throw error;
};

const orRefused = (error) => {
  if (error instanceof NotGiven && error.status === 400) throw new Refused(error.message);
  return orNull(error);
};

/** A stream and its log, as one server shows them. */
export class Source {
  constructor(stream) {
    this.log = `/log/${encodeURIComponent(stream)}`;
    this.blocks = `/audit/${encodeURIComponent(stream)}/blocks`;
  }

  /** The bytes of the newest checkpoint, or null where nothing is signed. */
  checkpoint() {
    return bytesOf(`${this.log}/checkpoint`).catch(orNull);
  }

  /** The keys that the server names, oldest first, then those of witnesses; none where no signer was there. Throws Refused where it says itself that they are another log's. */
  async publishedKeys() {
    const bytes = (await bytesOf("/log/vkeys").catch(orRefused)) ?? NOTHING;
    return utf8.decode(bytes).split("\n").filter(Boolean).map(parseVkey);
  }

  /** The changes that led from each of the server's `published` keys of the log to the next. */
  async changes(published) {
    const later = published.filter(({ kind }) => kind === LOG).slice(1);
    return readChanges(await Promise.all(later.map((_, index) => bytesOf(`/log/vkeys/${index + 2}`))));
  }

  /** Tiles, by their paths; those that the server lacks are left out. `widthOf` says how much of each there is. */
  async tiles(wanted, widthOf) {
    const found = new Map();
    const pending = [...wanted];
    const work = async () => {
      for (let tile = pending.pop(); tile; tile = pending.pop()) {
        const bytes = await bytesOf(`${this.log}/${tilePath(tile, widthOf(tile))}`).catch(orNull);
        if (bytes !== null) found.set(tilePath(tile), bytes);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return found;
  }

  /** The leaves of the log from 0 on that are in the bundle `number`: 44 bytes each. */
  async leaves(number, width) {
    const bundle = await bytesOf(`${this.log}/${tilePath({ level: ENTRIES, number }, width)}`).catch(orNull);
    if (bundle === null || bundle.length !== width * 46) return [];
    return Array.from({ length: width }, (_, index) => bundle.subarray(index * 46 + 2, index * 46 + 46));
  }

  /** The last sequence of the stream, now. */
  async end() {
    const answer = await ask(`${this.blocks}?first=1&last=1`);
    await wholeOf(answer);
    return numberIn(answer, "CIM-Stream-Last-Sequence");
  }

  /** The stored messages from `first` to `last`, some at a time, the next requests begun while one is read. */
  async *messages(first, last) {
    const begun = [];
    for (let next = first; next <= last || begun.length > 0; ) {
      for (; next <= last && begun.length < AHEAD; next += PART) begun.push(this.part(next, Math.min(last, next + PART - 1)));
      yield* begun.shift()();
    }
  }

  /** Begin to ask for a part; what is returned reads it. */
  part(first, last) {
    const asked = ask(`${this.blocks}?first=${first}&last=${last}`);
    asked.catch(() => null); // it is awaited in its turn, and its failure told then
    return async function* () {
      const answer = await asked;
      if (numberIn(answer, "CIM-Last-Sequence") < last) throw new Refused(`The server gave less than the sequences ${first} to ${last}.`);
      yield* framed(answer.body.getReader());
    };
  }
}

function numberIn(answer, name) {
  const number = Number(answer.headers.get(name) ?? NaN);
  if (!Number.isSafeInteger(number) || number < 0) throw new Refused(`The server's answer lacks ${name}.`);
  return number;
}

/** The messages in a stream of bytes: sequence, subject, block. Throws where it is cut off. */
async function* framed(reader) {
  let rest = NOTHING;
  for (;;) {
    const { value, done } = await reader.read().catch(brokeOff);
    if (done) break;
    const [found, used, bytes] = split(rest.length ? joined(rest, value) : value);
    rest = bytes.subarray(used);
    if (found.length) yield found;
  }
  if (rest.length) throw new NotGiven("The server's answer broke off within a message; try again.", 0);
}

function split(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = [];
  let at = 0;
  while (bytes.length - at >= 14) {
    const subjectEnd = at + 10 + view.getUint16(at + 8);
    if (bytes.length < subjectEnd + 4) break;
    const end = subjectEnd + 4 + view.getUint32(subjectEnd);
    if (bytes.length < end) break;
    found.push({ sequence: Number(view.getBigUint64(at)), subject: utf8.decode(bytes.subarray(at + 10, subjectEnd)), block: bytes.subarray(subjectEnd + 4, end) });
    at = end;
  }
  return [found, at, bytes];
}

function joined(one, other) {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}
