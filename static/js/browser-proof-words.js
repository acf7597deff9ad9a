// What a verification in this browser found, in words for a person, and what that proves and does not.
const CAUSES = {
  content_changed: "Content changed",
  link_broken: "Link broken",
  missing: "Missing",
  duplicate_version: "Version twice",
  misplaced: "Misplaced",
  undecodable: "Not readable",
  history_rewritten: "History rewritten",
  tail_cut: "Tail cut",
  signature: "Signature refused",
};
const number = (count) => count.toLocaleString("en");
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

/** An element with attributes, and text or elements in it. */
export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

export function titleOf({ state, title, words }) {
  return element("div", { class: "notice", "data-state": state }, element("p", {}, element("strong", {}, title), ` ${words}`));
}

/** The verdict beside the server's own: what stands in large letters, and whether it is an alarm. */
export function verdictOf(result, server, { last }) {
  const [first] = result.findings;
  if (result.state === "broken") {
    const where = first.sequence === null ? CAUSES[first.cause] : `first at sequence ${number(first.sequence)}: ${CAUSES[first.cause].toLowerCase()}`;
    const title = { broken: `Not intact, as the server says too; ${where}`, verified: `This browser disagrees with the server: not intact, ${where}` }[server.state] ?? `Not intact, and the server has not said so: ${where}`;
    return { state: "bad", pill: "Not intact", title, words: `${first.words} Expected: ${first.expected}. Found: ${first.found}.`, isAlarm: true };
  }
  if (result.state === "unsigned") {
    const words = result.checkpoint ? `The newest checkpoint ends at ${number(result.checkpoint.size)}, before what was read.` : "No checkpoint of this stream was signed, so nothing says that this is the history that was written.";
    return { state: "warn", pill: "Not signed", title: "Whole and linked, and not covered by a signature.", words };
  }
  const to = last === null ? "" : ` from ${number(result.first)} to ${number(result.last)}`;
  if (server.state === "broken") {
    const words = `The server's own verification has ${plural(Number(server.findings), "finding")}${server.firstBad ? `, the first at sequence ${number(Number(server.firstBad))}` : ""}. It also looks at message ids and at records of removals, which are not fetched here.`;
    return { state: "warn", pill: "Differs", title: `This browser found everything${to} as it was signed, and the server did not.`, words, isAlarm: true };
  }
  if (result.gone > 0) {
    const title = `What is here${to} is as it was signed, and ${plural(result.gone, "event")} ${result.gone === 1 ? "is" : "are"} gone.`;
    return { state: "warn", pill: "Intact, with gaps", title, words: `The first is missing at sequence ${number(result.firstGone)}. The log still says what it was; whether it was meant to go, the records of removals say.` };
  }
  const open = openOf(result);
  const words = open > 0 ? `All up to sequence ${number(result.last - open)} are those that were signed; the ${plural(open, "sequence")} after it ${open === 1 ? "is" : "are"} whole and linked, and not signed yet.` : `All ${plural(result.events, "event")} are those that were signed.`;
  return { state: "ok", pill: "Intact", title: `Intact${to}.`, words };
}

/** How many of the sequences that were read no signature covers. */
function openOf({ first, last, checkpoint }) {
  return last - Math.max(first - 1, checkpoint?.size ?? 0);
}

/** The findings, the figures, and what they prove. */
export function proofOf(result) {
  return [...(result.findings.length ? [findingsOf(result)] : []), factsOf(result), statements(result)];
}

function findingsOf({ findings, found }) {
  const line = (name, text) => element("div", { class: "identity" }, element("span", { class: "aside" }, `${name} `), text);
  const rows = findings.map(({ sequence, cause, expected, found: got, words }) =>
    element("tr", {}, element("th", { scope: "row" }, sequence === null ? "The log" : number(sequence)), element("td", {}, element("strong", {}, CAUSES[cause]), ` ${words}`, line("Expected", expected), line("Found", got))),
  );
  const head = element("thead", {}, element("tr", {}, ...["Sequence", "What was found"].map((name) => element("th", { scope: "col" }, name))));
  const caption = element("caption", { class: "for-readers" }, `${plural(found, "finding")}${found > findings.length ? `, the first ${findings.length} of them here` : ""}`);
  return element("table", { class: "facts", "data-part": "findings" }, caption, head, element("tbody", {}, ...rows));
}

function factsOf(result) {
  const { checkpoint, remembered, trust } = result;
  const rate = result.events / Math.max(result.seconds, 0.001);
  const rows = [["Read", `${plural(result.events, "event")}, ${number(result.bytes)} bytes, sequences ${number(result.first)} – ${number(result.last)}, in ${result.seconds.toFixed(2)} s (${number(Math.round(rate))}/s)`]];
  rows.push(["Chains", `${plural(result.aggregates, "aggregate")}, ${plural(result.links, "link")} followed`]);
  if (result.gone > 0) rows.push(["Gone", `${plural(result.gone, "event")} that the log knows and the stream does not hold, from sequence ${number(result.firstGone)} on`]);
  if (checkpoint) {
    rows.push(["Signed tree", `${plural(checkpoint.size, "leaf").replace("leafs", "leaves")} of ${checkpoint.origin}, root ${checkpoint.root}`]);
    rows.push(["Signed by", `${checkpoint.by}, ${trust.isGiven ? "by the key that you gave" : "a key that this server names; compare it with the one that the signer printed"}`]);
    for (const { name, vkey, time, isGiven } of checkpoint.seen) rows.push(["Witnessed", `by ${name} at ${time}, with ${vkey}, ${isGiven ? "a key that you gave" : "a key that this server names"}`]);
  }
  if (remembered) rows.push(["Seen before", remembered.holds ? `It begins with the ${plural(remembered.size, "event")} that this browser saw on ${new Date(remembered.at).toLocaleString("en-GB")}.` : `It is not the history of ${plural(remembered.size, "event")} that this browser saw on ${new Date(remembered.at).toLocaleString("en-GB")}.`]);
  const open = openOf(result);
  if (open > 0) rows.push(["Not yet covered", `the last ${plural(open, "sequence")}: linked, and not signed`]);
  return element("table", { class: "facts", "data-part": "facts" }, element("tbody", {}, ...rows.map(([name, words]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, words)))));
}

function statements(result) {
  const { checkpoint, remembered } = result;
  const open = openOf(result);
  const proves = [];
  const not = ["That what an event says was true when it was written.", "Anything about events that are not in this stream, or came after it was read."];
  if (result.state === "intact") {
    proves.push(`Each stored byte that was read${open > 0 ? ` up to sequence ${number(result.last - open)}` : ""} is the one that the log's key signed for, at its sequence: nothing was changed, ${result.gone ? "" : "removed, "}added or reordered.`);
    if (open > 0) not.push(`That the last ${plural(open, "sequence")} ${open === 1 ? "stays" : "stay"} as ${open === 1 ? "it is" : "they are"}: no signature covers ${open === 1 ? "it" : "them"} yet.`);
    if (result.gone) not.push("That what is gone was meant to go: it was deleted, purged, or it expired, and a server that withholds it looks the same.");
    proves.push("Every event follows the one before it in its aggregate, and lies under its own subject.");
  } else if (result.state === "unsigned") proves.push("The bytes are whole and the links hold. Somebody who rewrote them all, links included, would leave the same picture.");
  else proves.push("That what this server gives out is not one unbroken, signed history. It does not say who changed it, nor when.");
  if (remembered?.holds) proves.push("It is the history that this browser saw before, with what came since.");
  const seen = checkpoint?.seen ?? [];
  if (seen.some(({ isGiven }) => isGiven)) proves.push("A witness whose key you gave saw this checkpoint, and none that contradicts it.");
  else not.push(`That nobody else is shown another history, signed by the same key: ${seen.length ? "this server named the key of the witness; give its vkey as well" : "no witness has cosigned this checkpoint"}.`);
  if (!result.trust?.isGiven) not.push("That the key is the log's: this server named it. Give the vkey that the signer printed.");
  not.push("That this page and its programs are honest: they came from the same server. For that, verify an evidence file with a verifier of your own.");
  const list = (title, items) => element("section", {}, element("h3", {}, title), element("ul", { class: "notes" }, ...items.map((text) => element("li", {}, text))));
  return element("div", { class: "columns", "data-columns": "even" }, list("What this proves", proves), list("What it does not", not));
}
