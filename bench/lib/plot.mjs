/** The plot of TTFAF over start offset, as SVG text. */

const WIDTH = 1200;
const PANEL_HEIGHT = 220;
const LEFT = 64;
const RIGHT = 24;
const TOP = 90;
const GAP = 74;
const BOTTOM = 50;
const Y_MIN = 40;
const Y_MAX = 120;
const BLUE = "#1f4e9c";
const PURPLE = "#9b2f8f";
const ORANGE = "#e08214";
const BROWN = "#8c510a";
const GREEN = "#cfe3d4";
const GREEN_LINE = "#3c8d53";

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/**
 * A panel per rule over the whole capture (ours, the floor as an area, the peer), and a stretch of it enlarged.
 * @param {string} name of the capture
 * @param {number} firstTow
 * @param {Record<string, { offset: number, seconds: number | null }[]>} curves
 * @param {Map<number, { off: number, best: number }> | null} peer
 */
export function plotSvg(name, firstTow, curves, peer) {
  const last = Math.max(...curves.guideline.map(({ offset }) => offset));
  const peerCurve = (field) =>
    [...(peer ?? [])].map(([tow, figures]) => ({ offset: tow - firstTow, seconds: figures[field] }));
  const off = { label: "peer, optimisations off", curve: peerCurve("off"), colour: ORANGE };
  const best = { label: "peer, best settings", curve: peerCurve("best"), colour: BROWN };
  const guideline = { label: "ours", curve: curves.guideline, colour: BLUE };
  const aggressive = { label: "ours", curve: curves.aggressive, colour: PURPLE };
  const panels = [
    { title: "Rule “guideline”", from: 0, to: last, area: curves.guidelineFloor, lines: [off, guideline] },
    {
      title: "Rule “aggressive”",
      from: 0,
      to: last,
      area: curves.aggressiveFloor,
      lines: [best, aggressive],
    },
    {
      title: "Enlarged",
      from: Math.min(360, last / 2),
      to: Math.min(720, last),
      area: null,
      lines: [
        off,
        best,
        {
          label: "floor, aggressive",
          curve: curves.aggressiveFloor,
          colour: GREEN_LINE,
          width: 4,
          pale: true,
        },
        { ...guideline, label: "ours, guideline" },
        { ...aggressive, label: "ours, aggressive" },
      ],
    },
  ];
  const height = TOP + panels.length * PANEL_HEIGHT + (panels.length - 1) * GAP + BOTTOM;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">`,
    `<title>Time to first authenticated fix over start offset</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="26" font-size="18" font-weight="bold">Time to first authenticated fix, hot start</text>`,
    `<text x="${LEFT}" y="47" fill="#555">${escape(name)}, first page TOW ${firstTow}${peer === null ? "" : "; the peer, OSNMAlib, was run on the first 1200 s"}</text>`,
  ];
  panels.forEach((panel, index) => {
    parts.push(...panelParts(panel, TOP + index * (PANEL_HEIGHT + GAP), index));
  });
  parts.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${height - 10}" text-anchor="middle">start offset, minutes from the first page</text>`,
    `</svg>`,
    "",
  );
  return parts.join("\n");
}

function panelParts(panel, top, index) {
  const { from, to } = panel;
  const x = (offset) => LEFT + ((offset - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  const y = (seconds) =>
    top + PANEL_HEIGHT - ((Math.min(seconds, Y_MAX) - Y_MIN) / (Y_MAX - Y_MIN)) * PANEL_HEIGHT;
  const within = (curve) => curve.filter(({ offset }) => offset >= from && offset <= to);
  const parts = [
    `<text x="${LEFT}" y="${top - 10}" font-weight="bold">${panel.title}</text>`,
    `<text x="18" y="${top + PANEL_HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 18 ${top + PANEL_HEIGHT / 2})">seconds</text>`,
    `<clipPath id="panel${index}"><rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="${PANEL_HEIGHT}"/></clipPath>`,
  ];
  const legend = [];
  if (panel.area !== null) {
    parts.push(`<path d="${areaPath(within(panel.area), x, y)}" fill="${GREEN}"/>`);
    legend.push(["floor (shaded: out of reach)", panel.area, GREEN]);
  }
  for (let seconds = Y_MIN; seconds <= Y_MAX; seconds += 20) {
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(seconds)}" y2="${y(seconds)}" stroke="#000" stroke-opacity="0.1"/>`,
      `<text x="${LEFT - 8}" y="${y(seconds) + 4}" text-anchor="end">${seconds}</text>`,
    );
  }
  const tick = to - from > 1200 ? 600 : 60;
  for (let offset = Math.ceil(from / tick) * tick; offset <= to; offset += tick) {
    parts.push(
      `<line x1="${x(offset).toFixed(1)}" x2="${x(offset).toFixed(1)}" y1="${top}" y2="${top + PANEL_HEIGHT}" stroke="#000" stroke-opacity="0.08"/>`,
      `<text x="${x(offset).toFixed(1)}" y="${top + PANEL_HEIGHT + 18}" text-anchor="middle">${offset / 60}</text>`,
    );
  }
  for (const { label, curve, colour, width = 1.2, pale = false } of panel.lines) {
    if (curve.length === 0) continue;
    const opacity = pale ? ' stroke-opacity="0.45"' : "";
    parts.push(
      `<path d="${linePath(within(curve), x, y)}" fill="none" stroke="${colour}" stroke-width="${width}"${opacity} clip-path="url(#panel${index})"/>`,
    );
    legend.push([label, curve, colour]);
  }
  parts.push(
    `<rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="${PANEL_HEIGHT}" fill="none" stroke="#888"/>`,
  );
  let at = panel.area === null ? LEFT + 80 : LEFT + 150;
  for (const [label, curve, colour] of legend) {
    const seconds = curve.map((point) => point.seconds).filter((value) => value !== null);
    if (seconds.length === 0) continue;
    const average = seconds.reduce((sum, value) => sum + value, 0) / seconds.length;
    const text = panel.area === null ? label : `${label}, mean ${average.toFixed(1)} s`;
    parts.push(
      `<rect x="${at}" y="${top - 20}" width="22" height="10" fill="${colour}"/>`,
      `<text x="${at + 28}" y="${top - 10}">${text}</text>`,
    );
    at += 28 + text.length * 7.2 + 22;
  }
  return parts;
}

/** Straight from point to point; a new line where a figure is missing. Points inside a straight run are left out. */
function linePath(points, x, y) {
  let path = "";
  let open = false;
  points.forEach((point, i) => {
    if (point.seconds === null) {
      open = false;
      return;
    }
    const before = points[i - 1];
    const after = points[i + 1];
    const straight =
      open &&
      before?.seconds != null &&
      after?.seconds != null &&
      point.seconds - before.seconds === after.seconds - point.seconds;
    if (straight) return;
    path += `${open ? "L" : "M"}${x(point.offset).toFixed(2)} ${y(point.seconds).toFixed(2)}`;
    open = true;
  });
  return path;
}

function areaPath(points, x, y) {
  const known = points.filter((point) => point.seconds !== null);
  if (known.length === 0) return "";
  const line = linePath(known, x, y).replace(/^M/, "L");
  return `M${x(known[0].offset).toFixed(2)} ${y(Y_MIN)}${line}L${x(known[known.length - 1].offset).toFixed(2)} ${y(Y_MIN)}Z`;
}
