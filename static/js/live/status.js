// How the live path is: as a word that everybody sees, greyed data while it is not live, and one polite sentence for each change.
const WORDS = {
  off: "Not live",
  connecting: "Connecting",
  live: "Live",
  paused: "Paused",
  reconnecting: "Reconnecting",
  "signed-out": "Signed out",
  "not-allowed": "Not allowed",
  stopped: "Live updates stopped",
};
const WITH_OLD_DATA = new Set(["reconnecting", "signed-out", "not-allowed", "stopped"]);

function parts(element) {
  if (element.children.length === 2) return element.children;
  const [seen, heard] = [document.createElement("span"), document.createElement("span")];
  seen.setAttribute("aria-hidden", "true");
  heard.className = "for-readers";
  element.replaceChildren(seen, heard);
  return [seen, heard];
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say the state; `attempt` and `asOf` (an ISO time) count while reconnecting, `reason` says more on hover. */
export function showState(state, { attempt = 0, asOf = "", reason = "" } = {}) {
  document.documentElement.dataset.live = state;
  const page = document.getElementById("page"); // what does not come from NATS (data-lasting) is as new as before
  page?.toggleAttribute("data-stale", WITH_OLD_DATA.has(state) && !page.hasAttribute("data-lasting"));
  const element = document.getElementById("live-state");
  if (!element) return;
  const [seen, heard] = parts(element);
  const clock = asOf ? `as of ${asOf.slice(11, 19)} UTC` : "";
  setText(seen, [WORDS[state], attempt > 1 ? `attempt ${attempt}` : "", clock].filter(Boolean).join(" · "));
  if (element.dataset.state !== state || heard.textContent === "") setText(heard, [WORDS[state], clock, reason].filter(Boolean).join(", "));
  element.dataset.state = state;
  element.title = reason;
}

/** How many events wait behind each paused topic, at the server and here. */
export function showWaiting(waiting, kept) {
  for (const element of document.querySelectorAll("[data-live-waiting]")) {
    const topic = element.dataset.liveWaiting;
    const count = (waiting[topic] ?? 0) + (kept[topic] ?? 0);
    element.hidden = count === 0;
    setText(element, count === 0 ? "" : `${count.toLocaleString("en")} new`);
  }
}
