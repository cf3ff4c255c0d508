/** What the receiver says of itself, whatever it hears: u-blox F9 interface description. */
import { encodeFrame, encodeMessage } from "gnss-ubx";
import type { PortName, ReceiverModel } from "./models.js";
import type { TransmitBuffer } from "./transmit-buffer.js";

/** Port ids of MON-COMMS as F9 receivers of known cabling gave them. */
const PORT_ID: Readonly<Record<PortName, number>> = { UART1: 0x0100, USB: 0x0300 };
const NAV_STATUS_FRAME_BYTES = 24;

export function monVer({ swVersion, hwVersion, extensions }: ReceiverModel): Uint8Array {
  return encodeMessage("MON-VER", { swVersion, hwVersion, extension: [...extensions] });
}

/** Version 1 has five bytes, version 2 six. */
export function secUniqid(uniqueId: Uint8Array): Uint8Array {
  return encodeFrame(0x27, 0x03, Uint8Array.of(uniqueId.length === 5 ? 1 : 2, 0, 0, 0, ...uniqueId));
}

/** Traffic of the port at which the host is. */
export interface PortTraffic {
  readonly port: PortName;
  readonly buffer: TransmitBuffer;
  readonly receivedBytes: number;
  readonly receivedFrames: number;
  readonly skippedBytes: number;
  /** A frame was cut or lost since this was last told. */
  readonly allocFailed: boolean;
}

export function monComms(traffic: PortTraffic): Uint8Array {
  const { buffer } = traffic;
  const percent = (bytes: number): number => Math.min(100, Math.round((100 * bytes) / buffer.capacity));
  return encodeMessage("MON-COMMS", {
    version: 0,
    txErrors: { alloc: traffic.allocFailed },
    // UBX, NMEA, RTCM3, none.
    protIds: [0, 1, 5, 0xff],
    ports: Object.entries(PORT_ID).map(([port, portId]) => {
      const own = port === traffic.port;
      return {
        portId,
        txPending: own ? Math.min(0xffff, buffer.pending) : 0,
        txBytes: own ? buffer.sentBytes : 0,
        txUsage: own ? percent(buffer.pending) : 0,
        txPeakUsage: own ? percent(buffer.peak) : 0,
        rxPending: 0,
        rxBytes: own ? traffic.receivedBytes : 0,
        rxUsage: 0,
        rxPeakUsage: 0,
        overrunErrs: 0,
        msgs: [own ? traffic.receivedFrames & 0xffff : 0, 0, 0, 0],
        reserved1: new Uint8Array(8),
        skipped: own ? traffic.skippedBytes : 0,
      };
    }),
  });
}

export function monSys(sinceStartMs: number): Uint8Array {
  return encodeMessage("MON-SYS", {
    msgVer: 1,
    bootType: 1,
    cpuLoad: 30,
    cpuLoadMax: 60,
    memUsage: 25,
    memUsageMax: 40,
    ioUsage: 5,
    ioUsageMax: 20,
    runTime: Math.floor(sinceStartMs / 1000),
    noticeCount: 0,
    warnCount: 0,
    errorCount: 0,
    tempValue: 35,
    reserved0: new Uint8Array(5),
  });
}

/** For a feed without NAV-STATUS. */
export function navStatus(
  iTOW: number,
  knows: "nothing" | "second" | "all",
  sinceStartMs: number,
): Uint8Array {
  const fixed = knows === "all";
  return encodeMessage("NAV-STATUS", {
    iTOW,
    gpsFix: fixed ? 3 : 0,
    flags: { gpsFixOk: fixed, wknSet: fixed, towSet: knows !== "nothing" },
    fixStat: {},
    flags2: { spoofDetState: fixed ? 1 : 0 },
    ttff: fixed ? 1000 : 0,
    msss: Math.floor(sinceStartMs),
  });
}

/** NAV-STATUS of the feed, with this receiver's time since its start. */
export function withUptime(frame: Uint8Array, sinceStartMs: number): Uint8Array {
  if (frame.length !== NAV_STATUS_FRAME_BYTES) return frame;
  const payload = frame.slice(6, -2);
  new DataView(payload.buffer).setUint32(12, Math.floor(sinceStartMs), true);
  return encodeFrame(0x01, 0x03, payload);
}
