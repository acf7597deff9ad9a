// This module is a verification in the reader's browser: everything is fetched raw and computed anew, and nothing that the server says of it is believed.
import { cidOf, same, textOf } from "./cid.js";
import { Chains } from "./events.js";
import { Source } from "./fetching.js";
import { Leaves } from "./leaves.js";
import { LOG, Refused, WITNESS, hex, named, openCheckpoint, parseVkey, withChanges } from "./notes.js";
import { TILE_WIDTH, nodeOf, partsBeside, perfectParts, spanHash, tilePath, tilesOf, widthIn } from "./tiles.js";
import { BadProof, checkConsistency, consistencySpans, rootOf } from "./tree.js";

const MOST_FINDINGS = 50;
const REPORT_MILLISECONDS = 60;

/** What was found. `wanted`: stream, layout, first, last (null: all), vkeys that a person gave, and what this browser remembers. `report` is called now and then. */
export async function verify(wanted, report) {
  const began = performance.now();
  const run = new Run(wanted, report);
  await run.open();
  await run.read();
  await run.compare();
  return { ...run.result(), seconds: (performance.now() - began) / 1000 };
}

class Run {
  constructor(wanted, report) {
    this.wanted = wanted;
    this.report = report;
    this.source = new Source(wanted.stream);
    this.findings = [];
    this.counts = { found: 0, events: 0, bytes: 0, gone: 0, firstGone: null, empty: 0 };
    this.chains = new Chains(wanted.layout, { fromStart: wanted.first === 1 });
    this.leaves = new Leaves(wanted.first);
    this.checkpoint = null;
    this.remembered = null;
    this.reportedAt = 0;
  }

  /** The checkpoint whose signature holds, and how far there is something to read. */
  async open() {
    const note = await this.source.checkpoint(); // before the end of the stream, which may grow meanwhile
    [this.end] = await Promise.all([this.source.end(), note === null ? null : this.openNote(note)]);
    this.size = this.checkpoint?.size ?? 0;
    this.last = Math.min(this.wanted.last ?? this.end, this.end);
    if (this.end < Math.min(this.wanted.last ?? this.size, this.size)) {
      this.find({ sequence: this.end + 1, cause: "tail_cut", expected: `${this.size} events, as they were signed`, found: `the stream ends at ${this.end}`, words: `The stream ends before what was signed of it: the events from ${this.end + 1} on are gone.` });
    }
  }

  async openNote(note) {
    const { stream, vkeys, remembered } = this.wanted;
    const origin = (key) => (key.name.endsWith(`/${stream}`) ? key : named(key, `${key.name}/${stream}`));
    try {
      const given = vkeys.map(parseVkey);
      const published = await this.source.publishedKeys();
      const isGiven = given.some(({ kind }) => kind === LOG);
      const [first] = published.filter(({ kind }) => kind === LOG);
      this.trust = { isGiven, first: first?.vkey ?? null };
      if (!isGiven && remembered?.firstKey && remembered.firstKey !== first?.vkey) this.find(otherKey(remembered.firstKey, first?.vkey ?? "no key"));
      const anchors = isGiven ? given.filter(({ kind }) => kind === LOG) : published.filter(({ vkey }) => vkey === first?.vkey);
      const changes = await this.source.changes(published);
      const keys = withChanges(anchors, changes);
      const witnesses = [...given, ...published].filter(({ kind }) => kind === WITNESS);
      const opened = await openCheckpoint(note, [...keys.map(origin), ...witnesses], { changes });
      const seen = opened.seen.map(({ key, time }) => ({ name: key.name, vkey: key.vkey, time, isGiven: vkeys.includes(key.vkey) }));
      if (!Number.isSafeInteger(opened.size)) throw new Refused("The checkpoint is of more leaves than this browser can count.");
      this.checkpoint = { ...opened, seen };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.find({ sequence: null, cause: "signature", expected: vkeys.length ? `a signature by ${vkeys.join(", ")}` : "a signature by a key of the log", found: error.message, words: "The signed checkpoint that the server shows does not count." });
    }
  }

  /** Read every message anew: its CID, its chain, its leaf. */
  async read() {
    for await (const messages of this.source.messages(this.wanted.first, this.last)) {
      for (const { sequence, subject, block } of messages) {
        if (sequence < this.next || sequence > this.last) throw new Refused(`The server answered with sequence ${sequence} where ${this.next} was due.`);
        if (sequence > this.next) await this.passOver(sequence);
        const cid = cidOf(block);
        if (this.wanted.layout.kind !== "foreign") this.chains.add(sequence, subject, block, cid).forEach((finding) => this.find(finding));
        this.leaves.add(cid);
        this.counts.events += 1;
        this.counts.bytes += block.length;
      }
      this.tell();
    }
    await this.passOver(this.last + 1);
    this.tell(true);
  }

  /** The next sequence that is due. */
  get next() {
    return this.leaves.end + 1;
  }

  /** Sequences up to, not with, `sequence` at which the stream holds nothing: what was logged of them is in the log's own leaves. */
  async passOver(sequence) {
    let [number, bundle] = [-1, []];
    while (this.next < sequence) {
      const index = this.next - 1;
      if (Math.floor(index / TILE_WIDTH) !== number) {
        number = Math.floor(index / TILE_WIDTH);
        const width = Math.min(TILE_WIDTH, this.size - number * TILE_WIDTH);
        bundle = width > 0 ? await this.source.leaves(number, width) : [];
      }
      const leaf = bundle[index % TILE_WIDTH];
      const cid = leaf && leaf[8] === 1 ? leaf.slice(8) : null;
      this.leaves.add(cid);
      if (cid) {
        this.chains.leave(cid);
        this.counts.firstGone ??= index + 1;
      }
      this.counts[cid ? "gone" : "empty"] += 1;
    }
  }

  /** Hold what was read against the signed tree, and that against what this browser saw before. */
  async compare() {
    if (!this.checkpoint) return;
    const { size, root } = this.checkpoint;
    this.covered = Math.max(0, Math.min(size, this.leaves.end) - (this.wanted.first - 1));
    if (this.covered > 0) await this.compareRoot(size, root);
    await this.compareRemembered(this.wanted.remembered?.checkpoint);
  }

  async compareRoot(size, root) {
    const end = Math.min(size, this.leaves.end);
    const parts = partsBeside(size, this.wanted.first - 1, end);
    const tiles = await this.source.tiles(tilesOf(parts), widthIn(size));
    const beside = new Map(parts.map((part) => [`${part.start}-${part.end}`, part]));
    this.beside = (start, stop) => (beside.has(`${start}-${stop}`) ? nodeOf(tiles, beside.get(`${start}-${stop}`)) : null);
    let found = null;
    try {
      found = rootOf(0, size, (start, stop) => this.beside(start, stop) ?? this.leaves.known(start, stop));
    } catch (error) {
      if (!(error instanceof BadProof)) throw error;
    }
    if (found && same(found, root)) this.holds = true;
    else await this.locate(size, root, end, found);
  }

  /** Which leaf is another than the signed one, by the log's own hashes. */
  async locate(size, root, end, found) {
    const numbers = range(Math.floor((this.wanted.first - 1) / TILE_WIDTH), Math.ceil(end / TILE_WIDTH)).map((number) => ({ level: 0, number }));
    const tiles = await this.source.tiles(numbers, widthIn(size));
    const logged = (index) => tiles.get(tilePath({ level: 0, number: Math.floor(index / TILE_WIDTH) }))?.slice((index % TILE_WIDTH) * 32, (index % TILE_WIDTH) * 32 + 32);
    const index = range(this.wanted.first - 1, end).find((place) => logged(place) === undefined || !same(logged(place), this.leaves.hash(place)));
    if (index === undefined) return this.find(rewritten(hex(root), found ? hex(found) : "no tree"));
    let isSigned = false;
    try {
      isSigned = same(root, rootOf(0, size, (start, stop) => this.beside(start, stop) ?? (stop - start === 1 ? logged(start) : null)));
    } catch (error) {
      if (!(error instanceof BadProof)) throw error;
    }
    return this.find(await this.difference(index, size, isSigned));
  }

  async difference(index, size, isSigned) {
    const number = Math.floor(index / TILE_WIDTH);
    const leaf = (await this.source.leaves(number, Math.min(TILE_WIDTH, size - number * TILE_WIDTH)))[index % TILE_WIDTH];
    const own = this.leaves.cid(index);
    const whose = isSigned ? "what was signed" : "what the log holds, which is itself not what was signed";
    return { sequence: index + 1, cause: isSigned ? "content_changed" : "history_rewritten", expected: leaf && leaf[8] === 1 ? textOf(leaf.subarray(8)) : "nothing at this sequence", found: own ? textOf(own) : "nothing", words: `What the stream holds at sequence ${index + 1} is not ${whose}.` };
  }

  /** The checkpoint that this browser saw last must be the beginning of this one. */
  async compareRemembered(old) {
    const { origin, size, root } = this.checkpoint;
    if (!old || old.origin !== origin || old.size === 0) return;
    const oldRoot = Uint8Array.from(old.root.match(/../g), (pair) => parseInt(pair, 16));
    let reason = "";
    if (old.size > size) reason = `The server shows a checkpoint of ${size} leaves, and this browser has seen one of ${old.size}.`;
    else {
      const spans = old.size < size ? consistencySpans(old.size, size) : [];
      try {
        const tiles = await this.source.tiles(tilesOf(spans.flatMap(([start, end]) => perfectParts(start, end))), widthIn(size));
        checkConsistency({ oldSize: old.size, oldRoot, newSize: size, newRoot: root, proof: spans.map((span) => spanHash(tiles, span)) });
      } catch (error) {
        if (!(error instanceof BadProof)) throw error;
        reason = error.message;
      }
    }
    this.remembered = { size: old.size, at: old.at, holds: !reason };
    if (reason) this.find({ sequence: null, cause: old.size > size ? "tail_cut" : "history_rewritten", expected: `the ${old.size} leaves of root ${old.root}`, found: `${size} leaves of root ${hex(root)}`, words: `This is not the history that this browser saw before. ${reason}` });
  }

  find(finding) {
    this.counts.found += 1;
    if (this.findings.length < MOST_FINDINGS || finding.sequence === null) this.findings.push(finding);
  }

  tell(isEnd = false) {
    if (!isEnd && performance.now() - this.reportedAt < REPORT_MILLISECONDS) return;
    this.reportedAt = performance.now();
    this.report({ done: this.leaves.count, total: Math.max(0, this.last - this.wanted.first + 1), events: this.counts.events });
  }

  result() {
    const { checkpoint, counts, wanted } = this;
    const findings = [...this.findings].sort((one, other) => (one.sequence ?? Infinity) - (other.sequence ?? Infinity));
    const state = counts.found > 0 ? "broken" : this.holds ? "intact" : "unsigned";
    return {
      state,
      findings,
      ...counts,
      first: wanted.first,
      last: this.last,
      end: this.end,
      aggregates: this.chains.tips.size,
      links: this.chains.links,
      covered: this.covered ?? 0,
      remembered: this.remembered,
      trust: this.trust ?? null,
      checkpoint: checkpoint && { origin: checkpoint.origin, size: checkpoint.size, root: hex(checkpoint.root), by: checkpoint.by.vkey, seen: checkpoint.seen, unknown: checkpoint.unknown },
    };
  }
}

const range = (start, end) => Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
const otherKey = (expected, found) => ({ sequence: null, cause: "signature", expected, found, words: "The server names another first key of its log than the one that this browser saw before." });
const rewritten = (expected, found) => ({ sequence: null, cause: "history_rewritten", expected, found, words: "The stream and its log agree with each other, and not with the root that was signed: the history was rewritten after it was signed, the log with it." });
