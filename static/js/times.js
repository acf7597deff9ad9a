// "4 minutes ago" stays true while a page is open.
const EVERY_MILLISECONDS = 1000;
const UNITS = [[31536000, "year"], [2592000, "month"], [86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

export function wordsFor(seconds) {
  const age = Math.abs(seconds);
  if (age < 1.5) return "just now";
  const [unit, name] = UNITS.find(([length]) => age >= length);
  const number = Math.floor(age / unit);
  const words = `${number} ${name}${number === 1 ? "" : "s"}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

// The server's clock decides, as it wrote the moments; the page carries its time when it was made.
const offset = Date.now() - Date.parse(document.documentElement.dataset.now ?? new Date().toISOString());

function refresh() {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const words = wordsFor((Date.now() - offset - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== words) time.textContent = words;
  }
}

export function keepTimes() {
  setInterval(refresh, EVERY_MILLISECONDS);
  document.addEventListener("visibilitychange", refresh);
}
