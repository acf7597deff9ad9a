// The live socket of this page: opened while somebody looks, each message acknowledged once it is on the screen, opened again for ever.
import { swap } from "./live/morph.js";
import { refreshIfStale, refreshPage } from "./live/page.js";
import { keepIfHeld, keptRows, pausedTopics, watchPausing } from "./live/pausing.js";
import { showState, showWaiting } from "./live/status.js";
import { addRows, positions, tails } from "./live/tail.js";

const FIRST_WAIT = 250;
const LONGEST_WAIT = 1800;
const REFRESH_JITTER = 400;
const REFRESH_AGAIN = 1_500;
const REFRESH_TRIES = 8;
const SILENT_FOR = 25_000;
const HIDDEN_FOR = 5_000;
const LONG_AWAY = 60_000;
const SLOWEST_PAINT = 2_000;

const [SIGNED_OUT, NOT_ALLOWED, BAD_MESSAGE, TOO_MUCH, TOO_LARGE] = [4401, 4403, 4400, 4429, 1009];

let socket = null;
let attempt = 0;
let goodAt = ""; // the server's time when all was well last
let hadOutage = document.querySelector("#page [data-problem][data-state=disconnected]") !== null; // it came while nothing answered
let wasRefused = false;
let isStopped = false;
let opened = "";
let knownTails = new Set();
let hiddenSince = 0;
const timers = {};

const signedTopics = () => [...document.querySelectorAll("[data-live-topics]")].map((element) => element.dataset.liveTopics).filter(Boolean);
const wishes = () => JSON.stringify([signedTopics(), pausedTopics()]);

function later(name, milliseconds, act) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(act, milliseconds);
}

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  clearTimeout(timers.connect);
  if (socket || isStopped || document.hidden || signedTopics().length === 0) return;
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/live`);
  socket = mine;
  later("silence", SILENT_FOR, dropSilent);
  mine.addEventListener("open", () => mine === socket && sayOpen());
  mine.addEventListener("message", (event) => mine === socket && receive(JSON.parse(event.data)));
  mine.addEventListener("close", (event) => mine === socket && lost(event.code, event.reason));
}

function sayOpen() {
  opened = wishes();
  knownTails = new Set(tails());
  say({ type: "open", topics: signedTopics(), resume: positions(), paused: pausedTopics() });
}

/** Tell the server where the page now looks at other things, or at a tail that was rendered anew. */
function sayOpenIfChanged() {
  if (!socket) connect();
  else if (signedTopics().length === 0) closeQuietly();
  else if (socket.readyState === WebSocket.OPEN && (wishes() !== opened || tails().some((tail) => !knownTails.has(tail)))) sayOpen();
}

function receive(message) {
  attempt = 0;
  wasRefused = false;
  later("silence", SILENT_FOR, dropSilent);
  for (const frame of message.frames) apply(frame);
  afterPaint(() => say({ type: "ack", n: message.n }));
  showWaiting(message.state.waiting, keptRows());
  judge(message);
}

function apply(frame) {
  try {
    if (frame.rows) keepIfHeld(frame) || addRows(frame);
    else if ("revision" in frame) refreshIfStale(frame);
    else swap(frame);
  } catch (error) {
    console.error(`The frame of ${frame.id} could not be shown.`, error); // the others still can
  }
}

function judge({ at, state: { nats, trouble } }) {
  const [reason] = Object.values(trouble);
  if (nats.link !== "connected") {
    hadOutage = true;
    showState("reconnecting", { attempt: nats.attempts, asOf: nats.since, reason: reason ?? "NATS cannot be reached." });
  } else if (reason) {
    hadOutage = true;
    showState("reconnecting", { asOf: goodAt, reason });
  } else {
    goodAt = at;
    showState(pausedTopics().length ? "paused" : "live");
    if (hadOutage) later("refresh", Math.random() * REFRESH_JITTER, () => refresh());
    hadOutage = false;
  }
}

/** A server that has just come back may be too busy for the page: then it is asked again, a little later each time. */
async function refresh(tries = 1) {
  if (await refreshPage()) sayOpenIfChanged();
  else if (tries < REFRESH_TRIES) later("refresh", REFRESH_AGAIN * tries, () => refresh(tries + 1));
}

function lost(code, reason) {
  socket = null;
  clearTimeout(timers.silence);
  if (code === SIGNED_OUT) stop("signed-out", "Sign in again to go on.");
  else if (code === TOO_MUCH || code === TOO_LARGE) stop("stopped", reason);
  else if (code === NOT_ALLOWED || code === BAD_MESSAGE) refused(code, reason);
  else retry();
}

function retry() {
  hadOutage = true;
  attempt += 1;
  showState("reconnecting", { attempt, asOf: goodAt });
  const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1));
  later("connect", wait * (0.5 + Math.random() / 2), connect);
}

/** Rights or the console may have changed since the page was made: a fresh page knows what it may look at now. */
async function refused(code, reason) {
  const state = code === NOT_ALLOWED ? "not-allowed" : "stopped";
  if (wasRefused || !(await refreshPage())) stop(state, reason);
  else connect();
  wasRefused = true;
}

function stop(state, reason) {
  isStopped = true;
  showState(state, { asOf: goodAt, reason });
}

function closeQuietly() {
  const mine = socket;
  socket = null;
  clearTimeout(timers.silence);
  mine?.close(1000);
}

function dropSilent() {
  closeQuietly();
  retry();
}

function afterPaint(act) {
  let isDone = false;
  const once = () => {
    if (!isDone) act();
    isDone = true;
  };
  requestAnimationFrame(() => setTimeout(once));
  setTimeout(once, SLOWEST_PAINT);
}

function watchHiding() {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hiddenSince = performance.now();
      later("hide", HIDDEN_FOR, closeQuietly);
      return;
    }
    clearTimeout(timers.hide);
    hadOutage ||= performance.now() - hiddenSince > LONG_AWAY;
    connect();
  });
  window.addEventListener("pagehide", closeQuietly);
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  window.addEventListener("online", connect);
}

watchPausing((type, topic, kept) => {
  say({ type, topic });
  kept.forEach(addRows);
  opened = wishes();
});
watchHiding();
document.addEventListener("htmx:afterSettle", () => later("settle", 0, sayOpenIfChanged));
document.addEventListener("htmx:historyRestore", () => later("settle", 0, sayOpenIfChanged));
if (signedTopics().length) showState("connecting");
connect();
