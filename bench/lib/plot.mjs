/** The plot of TTFAF over start offset, as SVG text. */

const WIDTH = 1200;
const PANEL_HEIGHT = 250;
const LEFT = 64;
const RIGHT = 24;
const TOP = 84;
const GAP = 62;
const BOTTOM = 56;
const Y_MIN = 40;
const Y_MAX = 120;

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/**
 * One panel per rule: the floor as an area, ours, and where it has figures the peer.
 * @param {string} name of the capture
 * @param {number} firstTow
 * @param {Record<string, { offset: number, seconds: number | null }[]>} curves
 * @param {Map<number, { off: number, best: number }> | null} peer
 */
export function plotSvg(name, firstTow, curves, peer) {
  const lastOffset = Math.max(...curves.guideline.map(({ offset }) => offset));
  const xMax = Math.ceil(lastOffset / 300) * 300;
  const height = TOP + 2 * PANEL_HEIGHT + GAP + BOTTOM;
  const x = (offset) => LEFT + (offset / xMax) * (WIDTH - LEFT - RIGHT);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">`,
    `<title>Time to first authenticated fix over start offset</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="26" font-size="18" font-weight="bold">Time to first authenticated fix, hot start</text>`,
    `<text x="${LEFT}" y="47" fill="#555">${escape(name)}, starts 1 s apart from TOW ${firstTow}; the peer (OSNMAlib) was run on the first 1200</text>`,
  ];
  const peerCurve = (field) =>
    peer === null
      ? []
      : [...peer].map(([tow, figures]) => ({ offset: tow - firstTow, seconds: figures[field] }));
  const panels = [
    { rule: "guideline", title: "Rule “guideline”", peer: "off", peerTitle: "peer, optimisations off" },
    { rule: "aggressive", title: "Rule “aggressive”", peer: "best", peerTitle: "peer, best settings" },
  ];
  panels.forEach((panel, index) => {
    const top = TOP + index * (PANEL_HEIGHT + GAP);
    const y = (seconds) =>
      top + PANEL_HEIGHT - ((Math.min(seconds, Y_MAX) - Y_MIN) / (Y_MAX - Y_MIN)) * PANEL_HEIGHT;
    for (let seconds = Y_MIN; seconds <= Y_MAX; seconds += 20) {
      parts.push(
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(seconds)}" y2="${y(seconds)}" stroke="#dddddd"/>`,
        `<text x="${LEFT - 8}" y="${y(seconds) + 4}" text-anchor="end">${seconds}</text>`,
      );
    }
    for (let offset = 0; offset <= xMax; offset += 600) {
      parts.push(
        `<line x1="${x(offset)}" x2="${x(offset)}" y1="${top}" y2="${top + PANEL_HEIGHT}" stroke="#eeeeee"/>`,
        `<text x="${x(offset)}" y="${top + PANEL_HEIGHT + 18}" text-anchor="middle">${offset / 60}</text>`,
      );
    }
    const floor = curves[`${panel.rule}Floor`];
    parts.push(
      `<path d="${areaPath(floor, x, y, Y_MIN)}" fill="#cfe3d4"/>`,
      `<path d="${linePath(peerCurve(panel.peer), x, y)}" fill="none" stroke="#e08214" stroke-width="1"/>`,
      `<path d="${linePath(curves[panel.rule], x, y)}" fill="none" stroke="#1f4e9c" stroke-width="1"/>`,
      `<rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="${PANEL_HEIGHT}" fill="none" stroke="#888888"/>`,
      `<text x="${LEFT}" y="${top - 10}" font-weight="bold">${panel.title}</text>`,
      `<text x="18" y="${top + PANEL_HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 18 ${top + PANEL_HEIGHT / 2})">seconds</text>`,
    );
    let at = LEFT + 170;
    const averages = [
      ["ours", curves[panel.rule], "#1f4e9c"],
      ["floor (shaded: out of reach)", floor, "#cfe3d4"],
      [panel.peerTitle, peerCurve(panel.peer), "#e08214"],
    ];
    for (const [label, curve, colour] of averages) {
      const seconds = curve.map((point) => point.seconds).filter((value) => value !== null);
      if (seconds.length === 0) continue;
      const average = seconds.reduce((sum, value) => sum + value, 0) / seconds.length;
      const text = `${label}, mean ${average.toFixed(1)} s`;
      parts.push(
        `<rect x="${at}" y="${top - 20}" width="22" height="10" fill="${colour}"/>`,
        `<text x="${at + 28}" y="${top - 10}">${text}</text>`,
      );
      at += 28 + text.length * 7.2 + 26;
    }
  });
  parts.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${height - 14}" text-anchor="middle">start offset, minutes from the first page</text>`,
    `</svg>`,
    "",
  );
  return parts.join("\n");
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

function areaPath(points, x, y, base) {
  const known = points.filter((point) => point.seconds !== null);
  if (known.length === 0) return "";
  const line = linePath(known, x, y).replace(/^M/, "L");
  return `M${x(known[0].offset).toFixed(2)} ${y(base)}${line}L${x(known[known.length - 1].offset).toFixed(2)} ${y(base)}Z`;
}
