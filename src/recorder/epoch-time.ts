/**
 * The time that an epoch's message tells, for finding places in a capture. Unauthenticated, and good to a second or
 * two: nothing is decided by it. Layouts: u-blox F9 interface descriptions.
 */
import { decodeMessage } from "gnss-ubx";
import { GPS_WEEK_OFFSET, gstOf, SECONDS_IN_WEEK } from "../inav/gst.js";
import { gstOfUnix } from "../time/leap-seconds.js";

const NAV = 0x01;
const RXM = 0x02;
const TIMED = new Set([(NAV << 8) | 0x07, (NAV << 8) | 0x20, (NAV << 8) | 0x25, (RXM << 8) | 0x15]);
const LEAP_SECONDS = 18;

/** Linear GST seconds, or null where the message tells no time. */
export function epochGstOf(messageClass: number, messageId: number, payload: Uint8Array): number | null {
  if (!TIMED.has((messageClass << 8) | messageId)) return null;
  const message = decodeMessage(messageClass, messageId, payload);
  switch (message.name) {
    case "NAV-TIMEGAL":
      return message.valid.galTowValid && message.valid.galWnoValid
        ? checked(gstOf(message.galWno, message.galTow))
        : null;
    case "NAV-TIMEGPS":
      return message.valid.towValid && message.valid.weekValid
        ? checked(gstOf(message.week - GPS_WEEK_OFFSET, message.iTOW / 1000))
        : null;
    case "RXM-RAWX":
      return message.week === 0 || !(message.rcvTow < SECONDS_IN_WEEK)
        ? null
        : checked(gstOf(message.week - GPS_WEEK_OFFSET, message.rcvTow));
    case "NAV-PVT": {
      if (!message.valid.validDate || !message.valid.validTime) return null;
      const { year, month, day, hour, min, sec } = message;
      return checked(gstOfUnix(Date.UTC(year, month - 1, day, hour, min, sec) / 1000, LEAP_SECONDS));
    }
    default:
      return null;
  }
}

function checked(gst: number): number | null {
  return Number.isFinite(gst) && gst >= 0 ? gst : null;
}
