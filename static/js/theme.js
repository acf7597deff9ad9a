// The theme changes at once, without loading the page again; the cookie lets the server write it into the next one, so nothing flashes.
const YEAR_SECONDS = 365 * 24 * 3600;

export function watchTheme() {
  document.addEventListener("submit", (event) => {
    const chosen = event.submitter;
    if (chosen?.name !== "theme" || !event.target.matches(".theme")) return;
    event.preventDefault();
    document.documentElement.dataset.theme = chosen.value;
    document.cookie = `cim-theme=${chosen.value}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
    for (const button of event.target.querySelectorAll("[name=theme]")) button.setAttribute("aria-pressed", String(button === chosen));
    document.dispatchEvent(new CustomEvent("cim:theme"));
  });
}
