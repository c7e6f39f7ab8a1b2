// A line over the last minutes, as the points of an SVG polyline in a box of 100 by 24.

const WIDTH = 100;
const HEIGHT = 24;
const EDGE = 1.5;

export function points(series) {
  if (series.length < 2) return "";
  const first = series[0].at;
  const span = series.at(-1).at - first || 1;
  const top = Math.max(...series.map(({ value }) => value)) || 1;
  return series
    .map(({ at, value }) => {
      const x = (WIDTH * (at - first)) / span;
      const y = HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * value) / top;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

export function figure(title, text, series) {
  const box = document.createElement("figure");
  const caption = Object.assign(document.createElement("figcaption"), { textContent: title });
  const value = Object.assign(document.createElement("strong"), { textContent: text });
  box.append(caption, value);
  if (series) box.append(line(series));
  return box;
}

function line(series) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("aria-hidden", "true");
  const polyline = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  polyline.setAttribute("points", points(series));
  svg.append(polyline);
  return svg;
}
