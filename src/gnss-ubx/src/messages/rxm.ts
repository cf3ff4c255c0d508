/** UBX-RXM, receiver manager: layouts after the u-blox F9 HPG 1.5x and M8 interface descriptions. */
import type { MessageRow } from "../layout.js";

export const RXM_MESSAGES = [
  {
    // The message carries no time: it must be taken from the page itself or from a message nearby.
    name: "RXM-SFRBX",
    class: 0x02,
    id: 0x13,
    versions: [1, 2],
    fields: [
      { name: "gnssId", type: "U1" }, // 2: Galileo
      { name: "svId", type: "U1" }, // 255: unknown GLONASS satellite
      // Galileo: 1 E1-B I/NAV, 3 E5a F/NAV, 5 E5b I/NAV, 8 E6-B C/NAV. Reserved before protocol version
      // 27.31: 0 on single-band receivers means E1-B.
      { name: "sigId", type: "U1" },
      { name: "freqId", type: "U1" }, // GLONASS only
      // Galileo I/NAV: 8, or 9 of which the ninth is junk (M8 class, F9 of 2019). F/NAV has 8 as well, so
      // only sigId tells them apart. E6: 16.
      { name: "numWords", type: "U1" },
      { name: "chn", type: "U1" }, // tracking channel
      { name: "version", type: "U1" },
      { name: "reserved0", type: "U1" }, // any value was seen
      { name: "dwrd", type: "U4", times: "numWords" }, // bit 31 is the first bit on the air
    ],
  },
  {
    name: "RXM-RAWX",
    class: 0x02,
    id: 0x15,
    // Protocol versions below 18 have a reserved zero in place of the version.
    versions: [0, 1],
    fields: [
      { name: "rcvTow", type: "R8", unit: "s" }, // the receiver's own label, GPS time scale
      { name: "week", type: "U2" }, // GPS week; 0 until the time is known, rcvTow then counts from the boot
      { name: "leapS", type: "I1", unit: "s" }, // holds only with recStat.leapSec
      { name: "numMeas", type: "U1" },
      { name: "recStat", type: "X1", bits: { leapSec: 0, clkReset: 1 } },
      { name: "version", type: "U1" },
      { name: "reserved0", type: "B2" },
      {
        name: "meas",
        times: "numMeas",
        fields: [
          { name: "prMes", type: "R8", unit: "m" },
          { name: "cpMes", type: "R8", unit: "cycles" },
          { name: "doMes", type: "R4", unit: "Hz" },
          { name: "gnssId", type: "U1" },
          { name: "svId", type: "U1" },
          // Galileo: 0 E1-C, 1 E1-B, 3 E5a-I, 4 E5a-Q, 5 E5b-I, 6 E5b-Q, 8 E6-B, 9 E6-C. Receivers measure
          // E1-C and name the same band 1 in RXM-SFRBX. Reserved before protocol version 27.
          { name: "sigId", type: "U1" },
          { name: "freqId", type: "U1" },
          { name: "locktime", type: "U2", unit: "ms" }, // stays at 64500
          { name: "cno", type: "U1", unit: "dBHz" },
          { name: "prStdev", type: "X1", unit: "0.01 * 2^prStd m", bits: { prStd: [0, 4] } },
          { name: "cpStdev", type: "X1", unit: "0.004 * cpStd cycles", bits: { cpStd: [0, 4] } },
          { name: "doStdev", type: "X1", unit: "0.002 * 2^doStd Hz", bits: { doStd: [0, 4] } },
          // prValid says nothing about the satellite's health: that is in word type 5.
          { name: "trkStat", type: "X1", bits: { prValid: 0, cpValid: 1, halfCyc: 2, subHalfCyc: 3 } },
          { name: "reserved1", type: "U1" },
        ],
      },
    ],
  },
] as const satisfies readonly MessageRow[];
