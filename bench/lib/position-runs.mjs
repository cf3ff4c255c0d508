/** Captures as epochs of measurements with the words that were heard or authenticated by then. */
import { readFileSync } from "node:fs";
import { decodeMessage, Framer } from "gnss-ubx";
import { towOf } from "../../dist/inav/gst.js";
import { ReceiverStream } from "../../dist/inav/receiver-stream.js";
import { OsnmaEngine } from "../../dist/osnma/engine.js";
import { measurementEpoch } from "../../dist/position/measurements.js";
import { AuthenticatedSatellites, UnverifiedSatellite } from "../../dist/position/satellite.js";

const RXM = 0x02;
const RXM_RAWX = 0x15;

/**
 * @typedef {import("../../dist/position/measurements.js").MeasurementEpoch} MeasurementEpoch
 * @typedef {import("../../dist/position/satellite.js").AuthenticatedSatellite} AuthenticatedSatellite
 * @typedef {{ message: import("../../dist/position/measurements.js").RawxMessage, epoch: MeasurementEpoch, satellites: AuthenticatedSatellite[] }} EpochRun
 */

/**
 * Runs a capture through page clock, OSNMA engine and measurements.
 * @param {string} path
 * @param {ReturnType<import("./material.mjs").startOf> | null} start null for no OSNMA
 */
export function runCapture(path, start) {
  /** @type {EpochRun[]} */
  const epochs = [];
  /** Words 1-5 as first heard together, by SVID. @type {Map<number, UnverifiedSatellite>} */
  const first = new Map();
  /** @type {Map<number, Map<number, Uint8Array>>} */
  const heard = new Map();
  let refused = 0;
  const engine =
    start === null
      ? null
      : new OsnmaEngine({ ...start, timeAssurance: "capture" }, { event: () => {}, authenticated: () => {} });
  const authenticated = engine === null ? null : new AuthenticatedSatellites(engine);
  const stream = new ReceiverStream((page, gst) => {
    engine?.push(page, gst, { gst: gst + 2, boundSeconds: 1, assurance: "capture" });
    if (first.has(page.svid) || page.band !== "E1-B") return;
    const type = page.word[0] >> 2;
    if (type < 1 || type > 5) return;
    let words = heard.get(page.svid);
    if (words === undefined) heard.set(page.svid, (words = new Map()));
    words.set(type, page.word.slice());
    const five = [1, 2, 3, 4, 5].map((k) => words.get(k));
    const satellite = five.includes(undefined) ? null : UnverifiedSatellite.of(page.svid, five);
    if (satellite !== null) first.set(page.svid, satellite);
  });
  const framer = new Framer();
  const sink = {
    ubx: (messageClass, messageId, payload) => {
      stream.message(messageClass, messageId, payload, null);
      if (messageClass !== RXM || messageId !== RXM_RAWX) return;
      const message = decodeMessage(messageClass, messageId, payload);
      if (message.name !== "RXM-RAWX") return;
      const epoch = measurementEpoch(message);
      if ("refused" in epoch) {
        refused++;
        return;
      }
      const svids = epoch.satellites.map(({ svid }) => svid);
      epochs.push({ message, epoch, satellites: authenticated?.of(svids) ?? [] });
    },
  };
  framer.push(readFileSync(path), sink);
  framer.end(sink);
  stream.end();
  return { epochs, first, refused };
}

/** Rows of an RTKLIB .pos file by time of week, three decimals. @param {string} path */
export function rtklibSolutions(path) {
  const rows = new Map();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line.startsWith("%") || line.trim() === "") continue;
    const [, tow, latitude, longitude, height, , count] = line.trim().split(/\s+/).map(Number);
    rows.set(tow.toFixed(3), { latitude, longitude, height, count });
  }
  return rows;
}

/** SVIDs that RTKLIB used, by time of week. @param {string} path */
export function rtklibSatellites(path) {
  const rows = new Map();
  for (const line of readFileSync(path, "utf8").trim().split("\n").slice(1)) {
    const [, tow, name] = line.split(",");
    const key = Number(tow).toFixed(3);
    if (!rows.has(key)) rows.set(key, []);
    rows.get(key).push(Number(name.slice(1)));
  }
  return rows;
}

/** @param {MeasurementEpoch} epoch */
export const keyOf = (epoch) => towOf(epoch.towSeconds).toFixed(3);
