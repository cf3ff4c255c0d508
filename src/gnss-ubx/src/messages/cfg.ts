/**
 * UBX-CFG and UBX-ACK, configuration and its answers: layouts after the u-blox F9 HPG 1.5x interface
 * description. A VALSET with one key that the receiver does not know is refused as a whole (ACK-NAK).
 */
import type { FieldRow, MessageRow } from "../layout.js";

/** Layers to write to. */
const LAYERS = { name: "layers", type: "X1", bits: { ram: 0, bbr: 1, flash: 2 } } as const satisfies FieldRow;

const TRANSACTION = [
  // 0 none, 1 start or restart, 2 go on, 3 apply and end.
  { name: "transaction", type: "X1", bits: { action: [0, 2] } },
  { name: "reserved0", type: "U1" },
] as const satisfies readonly FieldRow[];

export const CFG_MESSAGES = [
  {
    name: "CFG-RST",
    class: 0x06,
    id: 0x04,
    fields: [
      {
        name: "navBbrMask", // what to clear: all zero is a hot start, 1 (eph) warm, all ones cold
        type: "X2",
        bits: {
          eph: 0,
          alm: 1,
          health: 2,
          klob: 3,
          pos: 4,
          clkd: 5,
          osc: 6,
          utc: 7,
          rtc: 8,
          aop: 15,
        },
      },
      // 0 hardware reset at once, 1 software, 2 software GNSS only, 4 hardware after shutdown, 8 GNSS stop,
      // 9 GNSS start. The receiver does not acknowledge.
      { name: "resetMode", type: "U1" },
      { name: "reserved0", type: "U1" },
    ],
  },
  {
    name: "CFG-VALSET",
    class: 0x06,
    id: 0x8a,
    versions: [0],
    fields: [
      { name: "version", type: "U1" },
      LAYERS,
      { name: "reserved0", type: "B2" },
      { name: "cfgData", type: "KV" }, // at most 64 items
    ],
  },
  {
    name: "CFG-VALSET",
    class: 0x06,
    id: 0x8a,
    versions: [1],
    fields: [{ name: "version", type: "U1" }, LAYERS, ...TRANSACTION, { name: "cfgData", type: "KV" }],
  },
  {
    // The request.
    name: "CFG-VALGET",
    class: 0x06,
    id: 0x8b,
    versions: [0],
    fields: [
      { name: "version", type: "U1" },
      { name: "layer", type: "U1" }, // 0 RAM, 1 BBR, 2 flash, 7 default
      { name: "position", type: "U2" },
      { name: "keys", type: "U4", times: "toEnd" },
    ],
  },
  {
    // The answer.
    name: "CFG-VALGET",
    class: 0x06,
    id: 0x8b,
    versions: [1],
    fields: [
      { name: "version", type: "U1" },
      { name: "layer", type: "U1" },
      { name: "position", type: "U2" },
      { name: "cfgData", type: "KV" },
    ],
  },
  {
    name: "CFG-VALDEL",
    class: 0x06,
    id: 0x8c,
    versions: [0],
    fields: [
      { name: "version", type: "U1" },
      { name: "layers", type: "X1", bits: { bbr: 1, flash: 2 } },
      { name: "reserved0", type: "B2" },
      { name: "keys", type: "U4", times: "toEnd" },
    ],
  },
  {
    name: "CFG-VALDEL",
    class: 0x06,
    id: 0x8c,
    versions: [1],
    fields: [
      { name: "version", type: "U1" },
      { name: "layers", type: "X1", bits: { bbr: 1, flash: 2 } },
      ...TRANSACTION,
      { name: "keys", type: "U4", times: "toEnd" },
    ],
  },
  {
    name: "ACK-NAK",
    class: 0x05,
    id: 0x00,
    fields: [
      { name: "clsID", type: "U1" },
      { name: "msgID", type: "U1" },
    ],
  },
  {
    name: "ACK-ACK",
    class: 0x05,
    id: 0x01,
    fields: [
      { name: "clsID", type: "U1" },
      { name: "msgID", type: "U1" },
    ],
  },
] as const satisfies readonly MessageRow[];
