// <lag-chart points="{…}">: lag as an area, what came in and what was applied as lines, and a dashed line for every run on the projection.
// It draws into a shadow root, so that a morph of the page around it leaves the picture alone.
const HEIGHT = 240;
const SHEETS = ["../vendor/uplot/uPlot.min.css", "../css/lag-chart.css"].map((path) => new URL(path, import.meta.url).href);
const SPANS = { "1h": 3600, "24h": 86400, "7d": 604800 };
const wantsDark = matchMedia("(prefers-color-scheme: dark)");

const shorter = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** The colour of a series is that of its word in the legend. */
function colourOf(series) {
  const word = document.querySelector(`[data-series="${series}"]`);
  return word ? getComputedStyle(word).color : "gray";
}

const line = (label, series, scale, unit) => ({
  label,
  scale,
  stroke: colourOf(series),
  width: 1.5,
  points: { show: false },
  value: (_plot, value) => (value == null ? "–" : whole.format(value) + unit),
});

function drawMarks(plot, marks, colour) {
  const { ctx: pen, bbox } = plot;
  pen.save();
  pen.strokeStyle = colour;
  pen.setLineDash([4, 4]);
  for (const { at } of marks) {
    const x = Math.round(plot.valToPos(at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    pen.beginPath();
    pen.moveTo(x, bbox.top);
    pen.lineTo(x, bbox.top + bbox.height);
    pen.stroke();
  }
  pen.restore();
}

class LagChart extends HTMLElement {
  static observedAttributes = ["points"];

  connectedCallback() {
    if (!this.shadowRoot) {
      const sheets = SHEETS.map((href) => Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
      this.place = document.createElement("div");
      this.attachShadow({ mode: "open" }).append(...sheets, this.place);
    }
    this.watcher = new ResizeObserver(() => this.plot?.setSize({ width: this.clientWidth, height: HEIGHT }));
    this.watcher.observe(this);
    document.addEventListener("cim:theme", this);
    wantsDark.addEventListener("change", this);
    this.handleEvent();
  }

  disconnectedCallback() {
    this.watcher.disconnect();
    document.removeEventListener("cim:theme", this);
    wantsDark.removeEventListener("change", this);
  }

  /** The colours changed: draw anew. */
  handleEvent() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }

  attributeChangedCallback() {
    if (this.place) this.draw();
  }

  draw() {
    const points = JSON.parse(this.getAttribute("points") || "null");
    if (!points?.times.length || !window.uPlot) return;
    const figures = [points.times, points.lag, points.incoming, points.applied];
    this.marks = points.marks;
    if (this.plot) this.plot.setData(figures);
    else this.plot = new window.uPlot(this.options(), figures, this.place);
  }

  options() {
    const style = getComputedStyle(this);
    const axis = { stroke: style.color, font: `12px ${style.fontFamily}`, grid: { stroke: style.borderColor, width: 1 }, ticks: { show: false } };
    const lag = line("Lag", "lag", "lag", "");
    const least = (SPANS[this.getAttribute("span")] ?? 3600) / 6;
    return {
      width: this.clientWidth || 600,
      height: HEIGHT,
      tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { range: (_plot, low, high) => [Math.min(low, high - least), high] }, lag: { range: (_plot, _low, high) => [0, Math.max(high, 10) * 1.05] }, rate: { range: (_plot, _low, high) => [0, Math.max(high, 1) * 1.05] } },
      series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }, { ...lag, fill: lag.stroke.replace(/^rgb\((.*)\)$/, "rgb($1 / .12)").replaceAll(",", " ") }, line("In", "incoming", "rate", "/s"), line("Applied", "applied", "rate", "/s")],
      axes: [
        { ...axis, space: 80, values: [[86400, "{D} {MMM}", null, null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{D} {MMM}", null, null, null, null, null, 1], [60, "{HH}:{mm}", null, null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]] },
        { ...axis, scale: "lag", values: (_plot, values) => values.map((value) => shorter.format(value)) },
        { ...axis, scale: "rate", side: 1, grid: { show: false }, values: (_plot, values) => values.map((value) => `${shorter.format(value)}/s`) },
      ],
      hooks: { draw: [(plot) => drawMarks(plot, this.marks, style.color)] },
    };
  }
}

customElements.define("lag-chart", LagChart);
