/** UBX-MON, receiver status: layouts after the u-blox F9 HPG 1.5x and X20 interface descriptions. */
import type { MessageRow } from "../layout.js";

export const MON_MESSAGES = [
  {
    name: "MON-VER",
    class: 0x0a,
    id: 0x04,
    fields: [
      { name: "swVersion", type: "C30" },
      { name: "hwVersion", type: "C10" },
      { name: "extension", type: "C30", times: "toEnd" }, // "FWVER=...", "PROTVER=...", "MOD=..."
    ],
  },
  {
    name: "MON-COMMS",
    class: 0x0a,
    id: 0x36,
    versions: [0],
    fields: [
      { name: "version", type: "U1" },
      { name: "nPorts", type: "U1" },
      // mem, alloc: the transmit buffer overflowed, and frames were cut or lost.
      { name: "txErrors", type: "X1", bits: { mem: 0, alloc: 1, outputPort: [2, 3] } },
      { name: "reserved0", type: "U1" },
      { name: "protIds", type: "U1", times: 4 },
      {
        name: "ports",
        times: "nPorts",
        fields: [
          { name: "portId", type: "U2" }, // 0x0100, 0x0101, 0x0200, 0x0300 were seen
          { name: "txPending", type: "U2", unit: "bytes" },
          { name: "txBytes", type: "U4", unit: "bytes" },
          { name: "txUsage", type: "U1", unit: "%" },
          { name: "txPeakUsage", type: "U1", unit: "%" },
          { name: "rxPending", type: "U2", unit: "bytes" },
          { name: "rxBytes", type: "U4", unit: "bytes" },
          { name: "rxUsage", type: "U1", unit: "%" },
          { name: "rxPeakUsage", type: "U1", unit: "%" },
          { name: "overrunErrs", type: "U2" },
          { name: "msgs", type: "U2", times: 4 }, // of the protocols named in protIds
          { name: "reserved1", type: "B8" },
          { name: "skipped", type: "U4", unit: "bytes" },
        ],
      },
    ],
  },
  {
    name: "MON-RF",
    class: 0x0a,
    id: 0x38,
    versions: [0],
    fields: [
      { name: "version", type: "U1" },
      { name: "nBlocks", type: "U1" },
      { name: "reserved0", type: "B2" },
      {
        name: "blocks",
        times: "nBlocks",
        fields: [
          { name: "blockId", type: "U1" },
          // Always 0 on F9 HPG 1.50 and later and on X20: SEC-SIG tells instead.
          { name: "flags", type: "X1", bits: { jammingState: [0, 2] } },
          { name: "antStatus", type: "U1" },
          { name: "antPower", type: "U1" },
          { name: "postStatus", type: "U4" },
          { name: "reserved1", type: "B4" },
          { name: "noisePerMS", type: "U2" },
          { name: "agcCnt", type: "U2" }, // 0 to 8191
          { name: "jamInd", type: "U1" }, // 0 to 255; newer name cwSuppression
          { name: "ofsI", type: "I1" },
          { name: "magI", type: "U1" },
          { name: "ofsQ", type: "I1" },
          { name: "magQ", type: "U1" },
          { name: "reserved2", type: "B3" },
        ],
      },
    ],
  },
  {
    name: "MON-SYS",
    class: 0x0a,
    id: 0x39,
    fields: [
      { name: "msgVer", type: "U1" },
      { name: "bootType", type: "U1" },
      { name: "cpuLoad", type: "U1", unit: "%" },
      { name: "cpuLoadMax", type: "U1", unit: "%" },
      { name: "memUsage", type: "U1", unit: "%" },
      { name: "memUsageMax", type: "U1", unit: "%" },
      { name: "ioUsage", type: "U1", unit: "%" },
      { name: "ioUsageMax", type: "U1", unit: "%" },
      { name: "runTime", type: "U4", unit: "s" },
      { name: "noticeCount", type: "U2" },
      { name: "warnCount", type: "U2" },
      { name: "errorCount", type: "U2" },
      { name: "tempValue", type: "I1", unit: "deg C" },
      { name: "reserved0", type: "B5" },
    ],
  },
] as const satisfies readonly MessageRow[];
