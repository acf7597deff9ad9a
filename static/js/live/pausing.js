// Buttons that hold a topic where it is. The button itself says whether its topic is held.
export function pausedTopics() {
  const held = [...document.querySelectorAll('[data-live-pause][aria-pressed="true"]')];
  return [...new Set(held.map((button) => button.dataset.livePause))];
}

/** Call `tell(type, topic)` with "pause" or "resume" whenever a person presses one. */
export function watchPausing(tell) {
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-live-pause]");
    if (!pressed) return;
    const topic = pressed.dataset.livePause;
    const isHeld = pressed.getAttribute("aria-pressed") !== "true";
    for (const button of document.querySelectorAll("[data-live-pause]")) {
      if (button.dataset.livePause === topic) button.setAttribute("aria-pressed", String(isHeld));
    }
    tell(isHeld ? "pause" : "resume", topic);
  });
}
