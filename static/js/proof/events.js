// This module is events: what a block must hold to be one, the subject it lies under, and how the events of an aggregate follow each other.
import { Link, decode } from "./cbor.js";
import { isOurs, same, textOf } from "./cid.js";

const FIELDS = ["aggregate", "version", "type", "schema", "id", "time", "actor", "correlation", "causation", "scope", "previous", "payload", "metadata"];
const SCOPES = new Set(["local", "container", "leaf", "cluster", "super_cluster"]);
const MAX_NUMBER = 2n ** 63n - 1n;
const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^[1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;
const SHORTEST_MONTH = 28;

export class NotAnEvent extends Error {}

/** The event in a block, its fields as they are and `key`, the name of its aggregate. Throws NotStrict, NotAnEvent. */
export function readEvent(block) {
  const value = decode(block);
  need(value instanceof Map && value.size === FIELDS.length && FIELDS.every((name) => value.has(name)), "it does not have exactly the fields of an event");
  const [aggregate, version, type, schema, id, time, actor, correlation, causation, scope, previous, payload, metadata] = FIELDS.map((name) => value.get(name));
  need(aggregate instanceof Map && aggregate.size === 3, "its aggregate is not {context, type, id}");
  const names = [aggregate.get("context"), aggregate.get("type"), aggregate.get("id")];
  need(names.every((name) => matches(TOKEN, name)) && matches(TOKEN, type), "a part of its name cannot stand in a subject");
  need(isCount(version) && isCount(schema), "its version or its schema is no whole number from 1");
  need(matches(UUID, id) && matches(UUID, correlation) && (causation === null || matches(UUID, causation)), "one of its ids is no UUID in lower case");
  need(isTime(time), "its time is not in the form 2026-11-21T10:40:31.904218Z");
  need(typeof actor === "string" && actor !== "" && SCOPES.has(scope), "its actor or its scope is missing");
  need(payload instanceof Map && metadata instanceof Map, "its payload and metadata are not maps");
  need(version === 1 ? previous === null : previous instanceof Link && isOurs(previous.raw), version === 1 ? "version 1 links to an earlier event" : `version ${version} has no link to the version before it`);
  return { key: `${names[0]}.${names[1]}.${names[2]}`, aggregate, version, type, schema, id, time, actor, correlation, causation, scope, previous: previous && previous.raw, payload, metadata };
}

function need(isSo, reason) {
  if (!isSo) throw new NotAnEvent(`The block is not an event: ${reason}.`);
}

const matches = (pattern, text) => typeof text === "string" && pattern.test(text);
const isCount = (number) => (typeof number === "number" && number >= 1) || (typeof number === "bigint" && number >= 1n && number <= MAX_NUMBER);

/** Whether a text is a time in its one spelling, of a day that there is. */
function isTime(text) {
  if (!matches(TIME, text)) return false;
  const day = Number(text.slice(8, 10));
  return day <= SHORTEST_MONTH || day <= new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate();
}

/** The subject that an event lies under; null where the layout has no subjects of ours. */
export function subjectOf(event, { kind, root }) {
  if (kind === "versioned") return `${root}.${event.key}.${event.type}.v${event.version}`;
  return kind === "flat" ? `${root}.${event.key}` : null;
}

/** The chains of a stream's events, followed in the order of their sequences. What is wrong is returned as findings: sequence, cause, expected, found, words. */
export class Chains {
  /** `fromStart` says that no event lies before the first that is added. */
  constructor(layout, { fromStart }) {
    this.layout = layout;
    this.fromStart = fromStart;
    this.tips = new Map();
    this.gone = new Set();
    this.links = 0;
  }

  /** An event that the log knows and the stream no longer holds: later ones may link to it. */
  leave(cid) {
    this.gone.add(textOf(cid));
  }

  add(sequence, subject, block, cid) {
    let event;
    try {
      event = readEvent(block);
    } catch (error) {
      return [finding(sequence, "undecodable", "an event in strict DAG-CBOR", error.message, `What lies at sequence ${sequence} cannot be read as an event.`)];
    }
    const found = [...this.misplaced(sequence, subject, event), ...this.unlinked(sequence, event, cid)];
    const tip = this.tips.get(event.key);
    if (!tip || event.version > tip.version) this.tips.set(event.key, { version: event.version, cid, sequence });
    return found;
  }

  misplaced(sequence, subject, event) {
    const own = subjectOf(event, this.layout);
    if (own === null || own === subject) return [];
    return [finding(sequence, "misplaced", own, subject, `The event at sequence ${sequence} lies under a subject that is not its own.`)];
  }

  unlinked(sequence, { key, version, previous }, cid) {
    const tip = this.tips.get(key);
    const due = tip ? after(tip.version) : 1;
    if (tip && version <= tip.version) {
      const words = `Version ${version} of ${key} lies at sequence ${sequence}, and version ${tip.version} was there before it, at ${tip.sequence}.`;
      return [finding(sequence, "duplicate_version", `version ${due} of ${key}`, `version ${version}, ${textOf(cid)}`, words)];
    }
    if (tip && version == due) { // eslint-disable-line eqeqeq -- a number beside a bigint
      this.links += 1;
      if (same(previous, tip.cid)) return [];
      const words = `Version ${version} of ${key} at sequence ${sequence} does not follow version ${tip.version} as it lies at sequence ${tip.sequence}.`;
      return [finding(sequence, "link_broken", textOf(tip.cid), textOf(previous), words)];
    }
    if (version === 1 || (!tip && !this.fromStart) || this.gone.has(textOf(previous))) return [];
    const words = `Before version ${version} of ${key} at sequence ${sequence}, version ${due} should lie in the stream.`;
    return [finding(sequence, "missing", `version ${due} of ${key}`, `version ${version}`, words)];
  }
}

const after = (version) => (typeof version === "number" ? version + 1 : version + 1n);
const finding = (sequence, cause, expected, found, words) => ({ sequence, cause, expected, found, words });
