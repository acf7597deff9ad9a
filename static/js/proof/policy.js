// This module is policies (https://c2sp.org/tlog-policy): whose signatures on a checkpoint count, and which witnesses have to have seen it.
import { LOG, WITNESS, parseVkey } from "./notes.js";

const MOST_POLICY_BYTES = 65_536;
const MOST_DEPTH = 16;

export class NoPolicy extends Error {}

/** The policy of somebody who noted these keys: each witness among them has to have seen each checkpoint. */
export function policyOfKeys(vkeys) {
  const keys = vkeys.map(parseVkey);
  const witnesses = new Map(keys.filter((key) => key.kind === WITNESS).map((key) => [key.vkey, key]));
  return { keys, witnesses, groups: new Map([["given", { least: witnesses.size, members: [...witnesses.keys()] }]]), quorum: "given" };
}

/** The policy in a text. Throws NoPolicy, Refused. */
export function readPolicy(text) {
  const policy = { keys: [], witnesses: new Map(), groups: new Map(), quorum: "", depths: new Map(), publics: new Set() };
  need(new TextEncoder().encode(text).length <= MOST_POLICY_BYTES, `the policy has more than ${MOST_POLICY_BYTES} bytes`);
  const grouped = new Set();
  need(!/[\0-\x08\x0b-\x1f\x7f]/.test(text), "the policy holds a control character");
  for (const line of text.split("\n")) {
    const [what, ...rest] = line.match(/[^ \t]+/g) ?? [];
    if (what === undefined || what.startsWith("#")) continue;
    const reader = READERS[Object.hasOwn(READERS, what) ? what : "none"];
    need(reader(policy, rest, grouped), `the policy has a line that is none: '${line.slice(0, 80)}'`);
  }
  need(policy.quorum !== "", "the policy has no quorum");
  return policy;
}

/** Whether those who have seen a checkpoint are the ones that the policy asks for. */
export function isMet(policy, seen, name = policy.quorum) {
  if (name === "none") return true;
  if (policy.witnesses.has(name)) return seen.some((key) => key.vkey === policy.witnesses.get(name).vkey);
  const { least, members } = policy.groups.get(name);
  return members.filter((member) => isMet(policy, seen, member)).length >= least;
}

const READERS = {
  none: () => false,
  log: (policy, rest) => {
    if (rest.length < 1 || rest.length > 2) return false;
    addKey(policy, rest[0], LOG);
    return true;
  },
  witness: (policy, rest) => {
    if (rest.length < 2 || rest.length > 3) return false;
    checkNew(policy, rest[0]);
    policy.witnesses.set(rest[0], addKey(policy, rest[1], WITNESS));
    return true;
  },
  group: (policy, [name, least, ...members], grouped) => {
    if (members.length === 0) return false;
    checkNew(policy, name);
    need(members.every((one) => policy.witnesses.has(one) || policy.groups.has(one)), `the policy has no ${members.join(" or ").slice(0, 80)}`);
    need(new Set(members).size === members.length && !members.some((one) => grouped.has(one)), "the policy has a name in two groups");
    for (const member of members) grouped.add(member);
    policy.depths.set(name, 1 + Math.max(...members.map((one) => policy.depths.get(one) ?? 0)));
    need(policy.depths.get(name) <= MOST_DEPTH, `the policy has groups within groups, more than ${MOST_DEPTH} deep`);
    policy.groups.set(name, { least: threshold(least, members.length), members });
    return true;
  },
  quorum: (policy, rest) => {
    if (rest.length !== 1) return false;
    need(policy.quorum === "", "the policy has two quorums");
    need(rest[0] === "none" || policy.witnesses.has(rest[0]) || policy.groups.has(rest[0]), `the policy has no ${rest[0].slice(0, 80)}`);
    policy.quorum = rest[0];
    return true;
  },
};

function addKey(policy, vkey, kind) {
  const key = parseVkey(vkey);
  need(key.kind === kind, `the policy has a key of the wrong kind: ${vkey.slice(0, 120)}`);
  need(!policy.publics.has(String(key.raw)), "the policy has one key twice");
  policy.publics.add(String(key.raw));
  policy.keys.push(key);
  return key;
}

function checkNew(policy, name) {
  need(name !== "none" && !policy.witnesses.has(name) && !policy.groups.has(name), `the policy has ${name.slice(0, 80)} twice`);
}

function threshold(text, members) {
  if (text === "any" || text === "all") return text === "any" ? 1 : members;
  need(/^[1-9][0-9]{0,3}$/.test(text) && Number(text) <= members, `the policy has a group of '${text.slice(0, 20)}'`);
  return Number(text);
}

function need(isSo, what) {
  if (!isSo) throw new NoPolicy(what);
}
