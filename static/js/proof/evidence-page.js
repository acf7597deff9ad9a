// This module is the page of the verifier of evidence that works from disk: it reads a chosen file and the keys beside it, and says the verdict in words.
import { DOES_NOT_PROVE, NoKey, PROVES, Unusable, shown, verify } from "./evidence.js";
import { trimmed } from "./notes.js";

const byId = (id) => document.getElementById(id);
const POLICY_LINE = /^[ \t]*(log|witness|group|quorum)([ \t]|$)/m;
let chosen = null;

/** What is in the field of keys: a policy, or one key on each line, with comments perhaps. */
export function readKeys(text) {
  const vkeys = text.split("\n").map(trimmed).filter((line) => line !== "" && !line.startsWith("#"));
  const isPolicy = POLICY_LINE.test(text) || (vkeys.length === 0 && trimmed(text) !== "");
  return isPolicy ? { policy: text } : { vkeys };
}

/** The verdict on the bytes of a file: its kind, its heading, and what else there is to say. */
export async function judge(data, keys) {
  const isGiven = typeof keys.policy === "string" || (keys.vkeys ?? []).length > 0;
  try {
    const { lines, manifest } = await verify(data, keys);
    const heading = isGiven ? "Intact" : "Intact, by the keys in the file itself";
    const advice = isGiven ? "" : "Compare these keys with keys that you noted; until then this says no more than that the file is whole.";
    return { kind: isGiven ? "intact" : "unknown", heading, advice, lines, manifest };
  } catch (error) {
    if (error instanceof Unusable) return { kind: "unknown", heading: "Not checked", advice: sentence(error), lines: [] };
    if (error instanceof NoKey) return { kind: "unknown", heading: "Not verified", advice: sentence(error), lines: [] };
    return { kind: "wrong", heading: "Not intact", advice: sentence(error), lines: [] };
  }
}

function sentence(error) {
  const text = shown(String(error?.message ?? error));
  return text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");
}

function show({ kind, heading, advice, lines, manifest }, file, seconds) {
  byId("verdict").dataset.kind = kind;
  byId("heading").textContent = heading;
  byId("advice").textContent = advice;
  byId("file-line").textContent = `${file.name}, ${file.size.toLocaleString("en-US")} bytes, checked in ${seconds.toFixed(2)} s`;
  byId("lines").textContent = lines.join("\n");
  byId("claims").textContent = manifest ? shown(`Not signed: of ${manifest.get("about") || "events"}, taken by ${manifest.get("by")} at ${manifest.get("at")}: ${manifest.get("reason")}`) : "";
  byId("details").hidden = lines.length === 0;
  byId("verdict").hidden = false;
  byId("verdict").focus();
}

async function check() {
  if (!chosen) return;
  byId("verdict").hidden = true;
  byId("status").textContent = `Checking ${chosen.name} …`;
  const file = chosen;
  const began = performance.now();
  const keys = { ...readKeys(byId("keys").value), changes: trimmed(byId("changes").value) };
  const verdict = await file.arrayBuffer().then((buffer) => judge(new Uint8Array(buffer), keys), (error) => ({ kind: "wrong", heading: "Not read", advice: sentence(error), lines: [] }));
  if (file !== chosen) return;
  byId("status").textContent = "";
  show(verdict, file, (performance.now() - began) / 1000);
}

function choose(files) {
  chosen = files[0] ?? null;
  check();
}

function list(id, sentences) {
  byId(id).replaceChildren(...sentences.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
}

function start() {
  list("proves", PROVES);
  list("does-not-prove", DOES_NOT_PROVE);
  byId("file").addEventListener("change", (event) => choose(event.target.files));
  byId("file").addEventListener("click", (event) => { event.target.value = ""; }); // so that the same file chosen again is read again
  for (const id of ["keys", "changes"]) byId(id).addEventListener("change", check);
  byId("check").addEventListener("click", check);
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    choose(event.dataTransfer.files);
  });
}

start();
