/** UBX-SEC, security: layouts after the u-blox F9 HPG 1.5x, M10, F10T and X20 interface descriptions. */
import type { FieldRow, GroupRow, MessageRow } from "../layout.js";

/** SEC-OSNMA: the NMA header byte, common to versions 2 and 3. */
const NMA_HEADER = {
  name: "nmaHeader",
  type: "X1",
  bits: { headerAuthStatus: 0, nmaStatus: [1, 2], chainInForce: [3, 2], CPKS: [5, 3] },
} as const satisfies FieldRow;

const DSM_AUTHENTICATION = {
  name: "dsmAuthentication",
  type: "X4",
  bits: {
    dsmAuthenticationStatus: [0, 6],
    hashFunction: [6, 2],
    macFunction: [8, 2],
    pubKeyId: [10, 4],
    macLookupTable: [14, 8],
    keySize: [22, 4],
    macSize: [26, 4],
    fromNVS: 30,
  },
} as const satisfies FieldRow;

const TESLA_KEY = {
  name: "teslaKey",
  type: "X4",
  bits: { teslaKeyAuthStatus: [0, 3], wnSf: [3, 12], towSf: [15, 15], chainId: [30, 2] },
} as const satisfies FieldRow;

const GENERAL_AND_TIMING = {
  name: "generalAndTiming",
  type: "X4",
  bits: {
    authSVs: [0, 6],
    authNumTim: [6, 6],
    timingAuthResult: [12, 2],
    macAdkdType: 14,
    pubKeySrc: [15, 2],
    merkleRootSrc: [17, 2],
    merkleRootVal: 19,
    futureMerkleRootSrc: [20, 2],
    futureMerkleRootVal: 22,
    pubKeyVal: 23,
    futurePubKeyVal: 24,
    futurePubKeySrc: [25, 2],
    futurePubKeyId: [27, 4],
  },
} as const satisfies FieldRow;

/** The count is generalAndTiming.authSVs; the payload's length says the same. */
const AUTH_SVS = {
  name: "svs",
  times: "toEnd",
  fields: [
    // authStatus: 1 is failure.
    { name: "auth", type: "X2", bits: { IODE: [0, 10], authNum: [10, 5], authStatus: 15 } },
    { name: "svId", type: "U1" },
    { name: "reserved1", type: "U1" },
  ],
} as const satisfies GroupRow;

export const SEC_MESSAGES = [
  {
    name: "SEC-UNIQID",
    class: 0x27,
    id: 0x03,
    versions: [1],
    fields: [
      { name: "version", type: "U1" },
      { name: "reserved0", type: "B3" },
      { name: "uniqueId", type: "B5" },
    ],
  },
  {
    name: "SEC-UNIQID",
    class: 0x27,
    id: 0x03,
    versions: [2], // M10 and later
    fields: [
      { name: "version", type: "U1" },
      { name: "reserved0", type: "B3" },
      { name: "uniqueId", type: "B6" },
    ],
  },
  {
    name: "SEC-SIG",
    class: 0x27,
    id: 0x09,
    versions: [1],
    fields: [
      { name: "version", type: "U1" },
      { name: "reserved0", type: "B3" },
      { name: "jamFlags", type: "X1", bits: { jamDetEnabled: 0, jammingState: [1, 2] } },
      { name: "reserved1", type: "B3" },
      { name: "spfFlags", type: "X1", bits: { spfDetEnabled: 0, spoofingState: [1, 3] } },
      { name: "reserved2", type: "B3" },
    ],
  },
  {
    name: "SEC-SIG",
    class: 0x27,
    id: 0x09,
    versions: [2, 3], // 3: X20
    fields: [
      { name: "version", type: "U1" },
      {
        // gpsd takes the spoofing bits one lower; these positions agree with NAV-STATUS on real streams.
        name: "sigSecFlags",
        type: "X1",
        bits: { jamDetEnabled: 0, jammingState: [1, 2], spfDetEnabled: 3, spoofingState: [4, 3] },
      },
      { name: "reserved0", type: "U1" },
      { name: "jamNumCentFreqs", type: "U1" },
      {
        name: "jamStateCentFreq",
        type: "X4",
        unit: "centFreq: kHz",
        bits: { centFreq: [0, 24], jammed: 24 },
        times: "jamNumCentFreqs",
      },
    ],
  },
  {
    name: "SEC-SIGLOG",
    class: 0x27,
    id: 0x10,
    versions: [0, 1], // 1 was seen
    fields: [
      { name: "version", type: "U1" },
      { name: "numEvents", type: "U1" },
      { name: "reserved0", type: "B2" },
      { name: "reserved1", type: "U4" }, // looks like milliseconds since the start
      {
        name: "events",
        times: "numEvents",
        fields: [
          { name: "timeElapsed", type: "U4", unit: "s" },
          // 0 simulated signal, 1 abnormal signal, 2 INS mismatch, 3 abrupt change, 4 jamming,
          // 5 authentication failed, 6 replay.
          { name: "detectionType", type: "U1" },
          { name: "eventType", type: "U1" }, // 0 started, 1 stopped, 2 triggered, 3 timed out
          { name: "reserved2", type: "B2" },
        ],
      },
    ],
  },
  {
    name: "SEC-OSNMA",
    class: 0x27,
    id: 0x0a,
    versions: [2],
    fields: [
      { name: "version", type: "U1" },
      NMA_HEADER,
      {
        name: "osnmaMonitoring",
        type: "X1",
        bits: { osnmaEnabled: 0, numSVs: [1, 5], nmaHeaderUpdate: [6, 2] },
      },
      // timSyncReqDiff is a signed number of four bits.
      {
        name: "timSyncReq",
        type: "X1",
        bits: { timSyncEnabled: 0, timSyncStatus: [1, 3], timSyncReqDiff: [4, 4] },
      },
      { name: "reserved0", type: "B4" },
      DSM_AUTHENTICATION,
      TESLA_KEY,
      GENERAL_AND_TIMING,
      AUTH_SVS,
    ],
  },
  {
    // Tables that know version 2 only read this one wrongly, without an error.
    name: "SEC-OSNMA",
    class: 0x27,
    id: 0x0a,
    versions: [3],
    fields: [
      { name: "version", type: "U1" },
      NMA_HEADER,
      {
        name: "osnmaMonitoring",
        type: "X2",
        bits: {
          osnmaEnabled: 0,
          numSVs: [1, 5],
          nmaHeaderUpdate: [6, 2],
          noData: 8,
          wrongData: 9,
          wrongFlxMac: 10,
          wrongMaclt: 11,
        },
      },
      { name: "timSyncReq", type: "X1", bits: { timSyncEnabled: 0, timSyncStatus: [1, 3] } },
      { name: "reserved0", type: "B3" },
      { name: "timSyncReqDiff", type: "I4", unit: "ms" },
      { name: "reserved2", type: "U4" }, // looks like milliseconds since the start
      DSM_AUTHENTICATION,
      TESLA_KEY,
      GENERAL_AND_TIMING,
      AUTH_SVS,
    ],
  },
] as const satisfies readonly MessageRow[];
