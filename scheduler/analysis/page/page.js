const data = JSON.parse(document.getElementById("data").textContent);
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
let colours = darkScheme.matches ? COLOURS.dark : COLOURS.light;
let paperWidth = null;
const CONFIG = {displayModeBar: false, responsive: true};

function shade(share) {
  const part = (colour, at) => parseInt(colour.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map(at => Math.round(part(colours.near, at) * (1 - share) + part(colours.far, at) * share));
  return `rgb(${mixed.join()})`;
}

function axis(title, more) {
  return {title: {text: title, standoff: 10, font: {size: 13}}, gridcolor: colours.line, linecolor: colours.line,
    zeroline: false, automargin: true, tickformat: "~g", ...more};
}

function label(value) {
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(6))) : value.toExponential().replace("e+", "e");
}

function logTicks(values) {
  const known = values.filter(value => value !== null && value > 0);
  const low = Math.log10(Math.min(...known)), high = Math.log10(Math.max(...known)), decades = high - low;
  const parts = decades > 2.2 ? [1] : decades > 0.7 ? [1, 2, 5] : [1, 2, 3, 4, 5, 6, 8], ticks = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += Math.max(1, Math.round(decades / 5)))
    for (const part of parts) ticks.push(Number(`${part}e${power}`));
  return ticks;
}

function logAxis(values, more) {
  const ticks = logTicks(values);
  return {type: "log", tickvals: ticks, ticktext: ticks.map(label), ...more};
}

function valueAxis(more) {
  const range = data.range ? {range: data.range} : {}, scale = data.log ? logAxis(data.log, range) : range;
  return axis(data.metric, {...scale, ...more});
}

function layout(more) {
  const sized = paperWidth === null ? {} : {width: paperWidth};
  return {paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    font: {family: getComputedStyle(document.body).fontFamily, size: 12, color: colours.quiet},
    margin: {l: 60, r: 8, t: 8, b: 48}, hoverlabel: {bgcolor: colours.paper, bordercolor: colours.line,
      font: {color: colours.text}}, ...sized, ...more};
}

const HOVER = `trial %{customdata}<br>${data.unit} %{x}: %{y:.4g}<extra></extra>`;

function drawCurves() {
  const groups = data.curves.groups;
  const many = groups.reduce((sum, group) => sum + group.x.length, 0) > 20000;
  const traces = groups.map(group => ({type: many ? "scattergl" : "scatter", mode: "lines+markers", x: group.x,
    y: group.y, customdata: group.trial, connectgaps: false, hovertemplate: HOVER,
    line: {color: shade(group.shade), width: 1}, marker: {color: shade(group.shade), size: 3},
    opacity: many ? 0.5 : 0.85}));
  const best = {x: [], y: []};
  for (const group of groups)
    group.trial.forEach((trial, at) => {
      if (trial === data.curves.best && group.y[at] !== null) { best.x.push(group.x[at]); best.y.push(group.y[at]); }
    });
  traces.push({type: many ? "scattergl" : "scatter", mode: "lines+markers", ...best,
    customdata: best.x.map(() => data.curves.best), hovertemplate: HOVER, line: {color: colours.accent, width: 2.5},
    marker: {color: colours.accent, size: 5}});
  return Plotly.react("curves", traces, layout({xaxis: axis(data.unit, {rangemode: "tozero"}), yaxis: valueAxis({})}),
    CONFIG);
}

function drawProgress() {
  const {x, y} = data.progress;
  const trace = {type: "scatter", mode: "lines", x, y, line: {shape: "hv", color: colours.accent, width: 2},
    hovertemplate: `%{x:,} ${data.unit}s: %{y:.4g}<extra></extra>`};
  const positive = y.length > 0 && Math.min(...y) > 0 && Math.max(...y) > 10 * Math.min(...y);
  return Plotly.react("progress", [trace], layout({xaxis: axis(`${data.unit}s, all trials`, {rangemode: "tozero"}),
    yaxis: axis(`best ${data.metric}`, positive ? logAxis(y) : {})}), CONFIG);
}

function panelAxis(panel) {
  if (panel.scale === "log") return logAxis(panel.x);
  if (panel.scale === "options")
    return {tickvals: panel.labels.map((_, at) => at), ticktext: panel.labels, range: [-0.6, panel.labels.length - 0.4],
      showgrid: false};
  if (panel.scale !== "inverse_log") return {};
  const ticks = logTicks(panel.x);
  return {type: "log", autorange: "reversed", tickvals: ticks, ticktext: ticks.map(tick => label(1 - tick))};
}

function drawBands(panel, id) {
  const last = panel.bands.length - 1;
  return panel.bands.flatMap((bands, at) => bands.map(([low, high]) => ({type: "rect", layer: "below",
    xref: "x" + id, x0: low, x1: high, yref: `y${id} domain`, y0: 0, y1: 1,
    line: {width: at === last ? 1 : 0, color: colours.accent + "66"},
    fillcolor: colours.accent + (at === last ? "29" : "0b")})));
}

function drawHyperparameters() {
  const {panels, trial, value, shade: shares} = data.hyperparameters;
  const element = document.getElementById("hyperparameters");
  const width = paperWidth || element.clientWidth, columns = width < 560 ? 1 : width < 860 ? 2 : 3;
  const rows = Math.ceil(panels.length / columns), height = 30 + 230 * rows;
  const gapX = 36 / width, gapY = 62 / height, type = trial.length > 2000 ? "scattergl" : "scatter";
  const traces = [], shapes = [], axes = {}, colour = shares.map(shade), best = trial.indexOf(data.curves.best);
  panels.forEach((panel, at) => {
    const id = at === 0 ? "" : String(at + 1), column = at % columns, row = Math.floor(at / columns);
    const across = (1 - gapX * (columns - 1)) / columns, down = (1 - gapY * (rows - 1)) / rows;
    const left = column * (across + gapX), top = 1 - row * (down + gapY);
    const title = panel.importance ? `${panel.name} \u2014 ${panel.importance}` : panel.name;
    shapes.push(...drawBands(panel, id));
    axes["xaxis" + id] = axis(title, {domain: [left, left + across], anchor: "y" + id, ...panelAxis(panel)});
    axes["yaxis" + id] = valueAxis({domain: [Math.max(0, top - down), top], anchor: "x" + id,
      showticklabels: column === 0, title: {text: column === 0 ? data.metric : ""},
      ...(at === 0 ? {} : {matches: "y"})});
    const hover = `trial %{customdata}: %{y:.4g}<extra></extra>`, on = {xaxis: "x" + id, yaxis: "y" + id};
    traces.push({type, mode: "markers", x: panel.x, y: value, customdata: trial, hovertemplate: hover, ...on,
      marker: {color: colour, size: 5, line: {width: 0}}, opacity: 0.9});
    if (best >= 0)
      traces.push({type, mode: "markers", x: [panel.x[best]], y: [value[best]], customdata: [trial[best]],
        hovertemplate: hover, ...on, marker: {color: colours.accent, size: 9, line: {color: colours.paper, width: 1}}});
  });
  return Plotly.react(element, traces, layout({...axes, shapes, height}), CONFIG);
}

function draw() { return Promise.all([drawCurves(), drawProgress(), drawHyperparameters()]); }

function sortBy(head) {
  const table = head.closest("table"), at = [...head.parentNode.children].indexOf(head), body = table.tBodies[0];
  const way = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  const sign = way === "ascending" ? 1 : -1;
  const keyed = [...body.rows].map(row => {
    const cell = row.cells[at];
    return {row, text: cell.textContent, number: cell.dataset.value};
  });
  keyed.sort((a, b) => {
    if (!a.text || !b.text) return (a.text ? 0 : 1) - (b.text ? 0 : 1);
    const numbers = a.number !== undefined && b.number !== undefined;
    return sign * (numbers ? Number(a.number) - Number(b.number) : a.text.localeCompare(b.text));
  });
  [...head.parentNode.children].forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", way);
  body.append(...keyed.map(item => item.row));
}

document.querySelectorAll(".trials th").forEach(head => head.addEventListener("click", () => sortBy(head)));
function onScreen() {
  colours = darkScheme.matches ? COLOURS.dark : COLOURS.light;
  paperWidth = null;
  draw();
}
darkScheme.addEventListener("change", onScreen);
addEventListener("beforeprint", () => { colours = COLOURS.light; paperWidth = 680; draw(); });
addEventListener("afterprint", onScreen);
let columnsWidth = innerWidth;
addEventListener("resize", () => {
  if (paperWidth === null && innerWidth !== columnsWidth) { columnsWidth = innerWidth; drawHyperparameters(); }
});
draw().then(() => { document.body.dataset.drawn = "true"; });
