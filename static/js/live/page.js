// After an outage, or where the set of things on a page has changed, the page fetches itself again and takes over what is new.
import { morph } from "./morph.js";

let running = null;
let isWantedAgain = false;

async function fetchPage() {
  if (document.querySelector("#page [data-problem][data-posted]")) return true; // reloading it would send the form again: a person decides that
  const asked = location.href;
  const response = await fetch(asked, { credentials: "same-origin", cache: "no-store" }).catch(() => null);
  if (!response?.ok || new URL(response.url).pathname !== location.pathname) return false;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (location.href !== asked) return true; // a person has gone on meanwhile, to what was fetched later than this
  if (document.querySelector("#page [data-problem]")) location.reload(); // an error page has none of the files that the page needs
  const [page, freshPage] = [document.getElementById("page"), fresh.getElementById("page")];
  if (!page || !freshPage) return false;
  morph(page, freshPage);
  window.htmx?.process(document.getElementById("page"));
  renewTopics(fresh);
  return true;
}

/** What the page looks at lies outside of it, too. */
function renewTopics(fresh) {
  const outside = (root) => [...root.querySelectorAll("[data-live-topics]")].filter((element) => !element.closest("#page"));
  for (const element of outside(document)) element.remove();
  document.body.append(...outside(fresh).map((element) => document.importNode(element, true)));
}

/** Fetch the page and take it over. False if that was not possible: the server gave an error, or another page. */
export async function refreshPage() {
  if (running) {
    isWantedAgain = true;
    return running;
  }
  running = fetchPage();
  const isDone = await running;
  running = null;
  if (!isWantedAgain) return isDone;
  isWantedAgain = false;
  return refreshPage();
}

const asked = new Map();
const TRIES = 4;

/** Fetch the page for each revision that its element `id` has not; again, a little later each time, where that did not bring it. */
export function refreshIfStale({ id, revision }) {
  const isStale = () => (document.getElementById(id)?.dataset.liveRevision ?? revision) !== revision;
  if (!isStale() || asked.get(id) === revision) return;
  asked.set(id, revision);
  const fetchIt = async (attempt) => {
    await refreshPage();
    if (attempt < TRIES && isStale() && asked.get(id) === revision) setTimeout(fetchIt, 1000 * attempt, attempt + 1);
  };
  fetchIt(1);
}
