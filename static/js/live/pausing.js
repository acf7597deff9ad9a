// Buttons that hold a topic where it is. The button itself says whether its topic is held. Rows that were on their way when it was pressed
// are kept until it is let go, so that the page stands still at once.
const kept = new Map();

export function pausedTopics() {
  const held = [...document.querySelectorAll('[data-live-pause][aria-pressed="true"]')];
  return [...new Set(held.map((button) => button.dataset.livePause))];
}

/** Keep the rows if their tail is held. False if it is not. */
export function keepIfHeld(frame) {
  const topic = document.getElementById(frame.id)?.dataset.liveTopic;
  if (!topic || !pausedTopics().includes(topic)) return false;
  kept.set(topic, [...(kept.get(topic) ?? []), frame]);
  return true;
}

/** How many rows are kept for each topic. */
export function keptRows() {
  return Object.fromEntries([...kept].map(([topic, frames]) => [topic, frames.reduce((sum, frame) => sum + frame.rows.length, 0)]));
}

/** Call `tell(type, topic, frames)` with "pause" or "resume" whenever a person presses one, and with what was kept meanwhile. */
export function watchPausing(tell) {
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-live-pause]");
    if (!pressed) return;
    const topic = pressed.dataset.livePause;
    const isHeld = pressed.getAttribute("aria-pressed") !== "true";
    for (const button of document.querySelectorAll("[data-live-pause]")) {
      if (button.dataset.livePause === topic) button.setAttribute("aria-pressed", String(isHeld));
    }
    const frames = isHeld ? [] : (kept.get(topic) ?? []);
    kept.delete(topic);
    tell(isHeld ? "pause" : "resume", topic, frames);
  });
}
