// Stepping through an aggregate's versions: what a person opened stays open, and the version under the thumb is named while it is dragged.
const isOpenState = (name, element) => name === "open" && element.matches("details");

if (window.Idiomorph) {
  const { callbacks } = window.Idiomorph.defaults;
  const before = callbacks.beforeAttributeUpdated;
  callbacks.beforeAttributeUpdated = (name, element, kind) => (isOpenState(name, element) ? false : before?.(name, element, kind));
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "scrub-version") return;
  const last = document.querySelector("#state h2");
  if (last) last.textContent = `State at v${Number(event.target.value).toLocaleString("en")}`;
});
