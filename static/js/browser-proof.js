// The card "Verify in this browser": it starts the worker, shows how far it is, says what was found, and remembers the last checkpoint seen here.
import { element, proofOf, titleOf, verdictOf } from "./browser-proof-words.js";

const card = document.getElementById("browser-proof");
const part = (name) => card.querySelector(`[data-part="${name}"]`);
const form = part("form");
const memoryKey = `cim-proof/${card.dataset.stream}`;
let worker = null;
let beganAt = 0;

// -- what this browser remembers -------------------------------------------------------------------------------------------------------

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(memoryKey)) ?? {};
  } catch {
    return {};
  }
}

function remember(more) {
  try {
    localStorage.setItem(memoryKey, JSON.stringify({ ...remembered(), ...more }));
  } catch {
    // A browser that keeps nothing still verifies; it only cannot compare with what it saw before.
  }
  showMemory();
}

function showMemory() {
  const { checkpoint } = remembered();
  const memory = part("memory");
  memory.hidden = part("forget").hidden = !checkpoint;
  if (checkpoint) memory.textContent = `This browser remembers a checkpoint of ${checkpoint.size.toLocaleString("en")} events, seen ${new Date(checkpoint.at).toLocaleString("en-GB")}. What is there now must begin with them.`;
}

// -- a run -----------------------------------------------------------------------------------------------------------------------------

function wanted() {
  const isAll = form.elements.what.value === "all";
  const [first, last] = ["first", "last"].map((name) => Number(form.elements[name].value.replaceAll(",", "")));
  const { kind, root, stream } = card.dataset;
  const vkeys = form.elements.vkeys.value.split("\n").map((line) => line.trim()).filter(Boolean);
  return { stream, layout: { kind, root }, first: isAll ? 1 : Math.max(1, first), last: isAll ? null : last, vkeys, remembered: remembered() };
}

function start(event) {
  event.preventDefault();
  const request = wanted();
  if (!Number.isSafeInteger(request.first) || (request.last !== null && (!Number.isSafeInteger(request.last) || request.last < request.first))) {
    say({ state: "bad", title: "Give two sequences, the first not after the last.", words: "" });
    return;
  }
  remember({ vkeys: form.elements.vkeys.value });
  clear();
  worker = new Worker(new URL("./proof/worker.js", import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data }) => receive(data, request));
  worker.addEventListener("error", () => end(() => say({ state: "bad", title: "The verification could not run", words: "This browser could not load or run it; a newer one can." })));
  beganAt = performance.now();
  worker.postMessage(request);
  show(true);
}

function receive({ progress, result, failure }, request) {
  if (progress) showProgress(progress);
  else if (failure) end(() => say({ state: "warn", title: "Not verified", words: `${failure} Nothing was proven.` }));
  else end(() => conclude(result, request));
}

function conclude(result, request) {
  const server = { ...document.getElementById("server-verdict").dataset };
  const verdict = verdictOf(result, server, request);
  say(verdict, proofOf(result));
  if (verdict.isAlarm) alarm(verdict);
  if (result.state !== "intact") return;
  const { origin, size, root } = result.checkpoint;
  remember({ checkpoint: { origin, size, root, at: new Date().toISOString() }, firstKey: result.trust.isGiven ? remembered().firstKey : result.trust.first });
}

function stop() {
  const done = part("done").textContent;
  end(() => say({ state: "warn", title: "Stopped", words: `${done} Nothing was proven.` }));
}

function end(tell) {
  worker?.terminate();
  worker = null;
  show(false);
  tell();
}

// -- what a person sees ----------------------------------------------------------------------------------------------------------------

function show(isRunning) {
  part("stop").hidden = part("progress").hidden = !isRunning;
  const begin = form.querySelector("[data-kind=primary]");
  begin.disabled = isRunning;
  (isRunning ? part("stop") : begin).focus({ preventScroll: true });
  part("state").replaceChildren(...(isRunning ? [element("span", { class: "pill", "data-state": "running" }, "Verifying")] : []));
}

function showProgress({ done, total, events }) {
  const seconds = (performance.now() - beganAt) / 1000;
  const bar = part("progress").querySelector("progress");
  bar.max = Math.max(1, total);
  bar.value = done;
  part("done").textContent = `${done.toLocaleString("en")} of ${total.toLocaleString("en")} sequences.`;
  part("rate").textContent = `${Math.round(events / Math.max(seconds, 0.001)).toLocaleString("en")} events/s`;
}

function clear() {
  part("verdict").replaceChildren();
  document.getElementById("browser-alarm")?.remove();
  showProgress({ done: 0, total: 0, events: 0 });
}

function say(verdict, more = []) {
  part("verdict").replaceChildren(titleOf(verdict), ...more);
  part("state").replaceChildren(element("span", { class: "pill", "data-state": verdict.state }, verdict.pill ?? verdict.title));
}

/** At the top of the page, above whatever the server says. */
function alarm({ title, words }) {
  const jump = element("a", { class: "button", href: "#browser-proof" }, "What was found");
  const box = element("div", { id: "browser-alarm", class: "alarm", role: "alert", "data-live-kept": "" }, element("strong", {}, title), element("p", {}, words), jump);
  document.getElementById("page").prepend(box);
  box.scrollIntoView({ block: "nearest" });
}

form.addEventListener("submit", start);
form.addEventListener("focusin", ({ target }) => {
  if (target.name === "first" || target.name === "last") form.elements.what.value = "some";
});
part("stop").addEventListener("click", stop);
part("forget").addEventListener("click", () => {
  localStorage.removeItem(memoryKey);
  showMemory();
});
form.elements.vkeys.value = remembered().vkeys ?? "";
showMemory();
form.hidden = false;
