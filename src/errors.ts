/**
 * The one table of error codes. A code is never reused or renamed; docs/errors.md is held against this
 * table by a test. `cause` says what happened, `remedy` what to do next.
 */
export const ERRORS = {
  OSN_USAGE: {
    exit: 2,
    http: 400,
    cause: "The command line or request is not understood.",
    remedy: "Read the message and `osnmad help <command>`; nothing was changed.",
  },
  OSN_CAPTURE_NOT_FOUND: {
    exit: 3,
    http: 404,
    cause: "The capture cannot be opened.",
    remedy: "Check the path and that you may read it; use `-` to read standard input.",
  },
  OSN_CAPTURE_NO_GALILEO: {
    exit: 4,
    http: 422,
    cause: "The capture holds no Galileo E1-B I/NAV page.",
    remedy:
      "Enable RXM-SFRBX and the Galileo E1 signal on the receiver and record again; `osnmad inspect` shows what is in there.",
  },
  OSN_CAPTURE_NO_TIME: {
    exit: 4,
    http: 422,
    cause: "Galileo pages are there, but nothing in the capture gives them a Galileo System Time.",
    remedy: "Record at least a minute, or enable NAV-TIMEGAL, NAV-PVT or RXM-RAWX beside RXM-SFRBX.",
  },
  OSN_TRUST_FILE_UNREADABLE: {
    exit: 5,
    http: 400,
    cause: "A key or Merkle tree file cannot be read.",
    remedy: "Check the path; download the file again from the European GNSS Service Centre (GSC).",
  },
  OSN_TRUST_XML_INVALID: {
    exit: 5,
    http: 400,
    cause: "A key or Merkle tree file is not well-formed XML of the GSC form.",
    remedy: "Download the file again from GSC and do not edit it.",
  },
  OSN_TRUST_KEY_INVALID: {
    exit: 5,
    http: 400,
    cause: "A key, point, root or proof in the given material does not check out.",
    remedy: "Check that key and tree belong together; give the tree that the key was published under.",
  },
  OSN_TRUST_ROOT_KEY_UNVERIFIABLE: {
    exit: 5,
    http: 400,
    cause: "A root key was given, but no given public key verifies its signature.",
    remedy: "Give the public key that signed it with --public-key, or leave --root-key out for a warm start.",
  },
  OSN_PORT_NOT_FOUND: {
    exit: 9,
    http: 404,
    cause: "The receiver's port is not there, or no receiver was found.",
    remedy: "Plug the receiver in; name its port with --port: a device, or tcp://host:port.",
  },
  OSN_PORT_AMBIGUOUS: {
    exit: 9,
    http: 409,
    cause: "More than one receiver was found, and none was named.",
    remedy: "Name one with --port; the paths below /dev/serial/by-id survive a replug.",
  },
  OSN_PORT_DENIED: {
    exit: 9,
    http: 403,
    cause: "This user may not open the receiver's port.",
    remedy:
      "Join the group that owns the device (dialout on Debian), or install the udev rule of packaging/.",
  },
  OSN_PORT_BUSY: {
    exit: 9,
    http: 409,
    cause: "Another program holds the receiver's port.",
    remedy:
      "Stop that program (another osnmad, gpsd, ModemManager), or share the receiver by a TCP server and give tcp://host:port.",
  },
  OSN_LINK_LOST: {
    exit: 9,
    http: 503,
    cause: "The connection to the receiver cannot be made or was lost.",
    remedy: "Check cable and power, or the server and its address; the daemon goes on trying.",
  },
  OSN_CONFIG_UNREADABLE: {
    exit: 3,
    http: 404,
    cause: "The configuration file cannot be read.",
    remedy:
      "Check the path and that this user may read it; without --config the usual places are looked at (docs/configuration.md).",
  },
  OSN_CONFIG_INVALID: {
    exit: 2,
    http: 400,
    cause: "The configuration says something that is not understood.",
    remedy:
      "Read the message; `osnmad config check` tries a file, and docs/configuration.md has every option.",
  },
  OSN_ALREADY_RUNNING: {
    exit: 9,
    http: 409,
    cause: "Another osnmad already works with this data folder.",
    remedy: "Stop that process, or give this one another --data-dir.",
  },
  OSN_STORE_UNAVAILABLE: {
    exit: 6,
    http: 500,
    cause:
      "The database library (better-sqlite3) is not installed: it has native code, and could not be built or fetched here.",
    remedy:
      "Install python3, make and a C++ compiler and run npm install again; commands that keep nothing work without it.",
  },
  OSN_EVIDENCE_UNREADABLE: {
    exit: 3,
    http: 400,
    cause: "The evidence bundle cannot be read.",
    remedy: "Check the path; a bundle is what /v1/fixes/{id}/evidence answers, one JSON document.",
  },
  OSN_VECTORS_NOT_FOUND: {
    exit: 3,
    http: 404,
    cause: "No official test vector was found in the folder.",
    remedy: "Give a folder with a navigation-bits CSV (or a parent of such folders) as GSC publishes them.",
  },
  OSN_VECTOR_INVALID: {
    exit: 4,
    http: 422,
    cause:
      "A test vector's CSV does not read as SVID,NumNavBits,NavBitsHEX, or its name has no date and GST.",
    remedy: "Use the file as published; the name carries the time of the first page.",
  },
  OSN_STATE_CORRUPT: {
    exit: 6,
    http: 500,
    cause: "Stored data fails its integrity check or cannot be read.",
    remedy: "Nothing in it is trusted now. Restore it from a backup, or move it away and start without it.",
  },
  OSN_PROOF_IMPOSSIBLE: {
    exit: 3,
    http: 409,
    cause: "No proof of the fix can be made from the station's log.",
    remedy:
      "The message says what is missing. Soon after a fix wait a minute; what opens older leaves than `station.keep_days` is not kept.",
  },
  OSN_STATION_KEY_UNUSABLE: {
    exit: 6,
    http: 500,
    cause: "The key of a station or witness cannot be used.",
    remedy:
      "Restore the key file and its rights (0600) from a backup; a lost key is a new identity, and others must be told.",
  },
  OSN_STATION_LOG_CONTRADICTS: {
    exit: 6,
    http: 500,
    cause: "The station's log disagrees with what was signed before, so nothing more is signed.",
    remedy:
      "Restore the newest copy of the log. Where there is none, begin a new log with a new key; never go on from an older copy.",
  },
  OSN_STATION_LOG_IN_USE: {
    exit: 6,
    http: 503,
    cause: "Another process has the station's log open.",
    remedy: "Stop the other process first; two writers of one log would make two histories.",
  },
  OSN_STATION_LOG_MISSING: {
    exit: 6,
    http: 500,
    cause: "The folder has a station's key, but not the log that it signed.",
    remedy:
      "Restore the newest copy of the log. Where there is none, move the key away: a new key is a new station with a new log. One key never signs two logs.",
  },
  OSN_STATION_UNCONFIRMED: {
    exit: 3,
    http: 503,
    cause: "Too few witnesses have shown that they hold no longer or other history of the station's log.",
    remedy:
      "Leaves are kept, and signed when they answer. See GET /v1/station/witnesses; take one that is gone for good out of `station.witnesses`.",
  },
  OSN_STATE_NEWER: {
    exit: 6,
    http: 500,
    cause: "Stored data was written by a newer osnmad.",
    remedy: "Use that version or a later one; the data was not touched.",
  },
  OSN_STATE_UNWRITABLE: {
    exit: 6,
    http: 500,
    cause: "State cannot be written to its folder.",
    remedy: "Check rights and free space of the folder given by --state or --data-dir.",
  },
  OSN_OUTPUT_UNWRITABLE: {
    exit: 3,
    http: 500,
    cause: "A file that was asked for cannot be written.",
    remedy: "Check the path given by -o, rights and free space; --force replaces files that are there.",
  },
  OSN_NO_ROOM: {
    exit: 3,
    http: 500,
    cause: "No folder for temporary files has room for a copy that is needed.",
    remedy:
      "Free space there, or name a folder on another disk by TMPDIR; the message says how much it takes.",
  },
  OSN_SCENARIO_INVALID: {
    exit: 2,
    http: 400,
    cause: "A scenario of the simulator cannot be read, or does not say what it must.",
    remedy:
      "Correct the lines that are named; `osnmad simulate --example nominal` shows a whole scenario, docs/simulation.md explains every key.",
  },
  OSN_ALERT_LATCHED: {
    exit: 7,
    http: 503,
    cause: "An authenticated OSNMA alert message was received; OSNMA is not to be used.",
    remedy: "Follow GSC's notices. Install new trusted material by hand when GSC publishes it.",
  },
  OSN_LISTEN_FAILED: {
    exit: 8,
    http: 500,
    cause: "The HTTP address cannot be listened on.",
    remedy:
      "Choose another address (run: --listen or http.port; serve: --port), or stop the program that holds it.",
  },
  OSN_LISTEN_REFUSED: {
    exit: 2,
    http: 400,
    cause: "Positions would be served without authentication beyond this machine.",
    remedy:
      "Listen on a loopback address; or make a token with `osnmad token create`, and beyond loopback set http.allow_remote = true (run) or give --allow-remote (serve).",
  },
  OSN_RECEIVER_SILENT: {
    exit: 9,
    http: 503,
    cause: "The receiver does not answer.",
    remedy:
      "Check that it is a u-blox receiver, that nothing else holds the port and, on a UART, the baud rate and both directions of the line.",
  },
  OSN_RECEIVER_UNSUPPORTED: {
    exit: 9,
    http: 422,
    cause: "The receiver cannot be configured by osnmad.",
    remedy:
      "Switch on RXM-SFRBX, NAV-PVT, NAV-SAT and NAV-EOE with u-center and keep the setting; its stream can be read all the same.",
  },
  OSN_RECEIVER_REFUSED: {
    exit: 9,
    http: 422,
    cause: "The receiver does not take a setting that is required.",
    remedy: "The report names the key. Update its firmware, or give a --profile without that setting.",
  },
  OSN_PROFILE_INVALID: {
    exit: 2,
    http: 400,
    cause: "A receiver profile or undo file cannot be read or does not check out.",
    remedy: "The message names the place; docs/receiver.md describes the form.",
  },
  OSN_PTY_UNAVAILABLE: {
    exit: 8,
    http: 500,
    cause: "No pseudo-terminal can be made for the virtual receiver.",
    remedy: "Install python3, or serve it by TCP (`osnmad simulate --serve tcp`).",
  },
  OSN_UNAUTHORIZED: {
    exit: 1,
    http: 401,
    cause: "The request carries no bearer token, or one that this server does not take.",
    remedy:
      "Send `Authorization: Bearer <token>` with a token of `osnmad token create` that was not revoked.",
  },
  OSN_FORBIDDEN: {
    exit: 1,
    http: 403,
    cause: "The token does not open this resource.",
    remedy: "Create a token with the scope that is named, and use that.",
  },
  OSN_RATE_LIMITED: {
    exit: 1,
    http: 429,
    cause: "The client asks more than its share.",
    remedy: "Wait as long as Retry-After says; read the stream instead of polling, or raise --rate-limit.",
  },
  OSN_NOT_ACCEPTABLE: {
    exit: 1,
    http: 406,
    cause: "The resource does not exist in a form that the request accepts.",
    remedy: "Accept application/json, or what /openapi.json names for this resource.",
  },
  OSN_BROKER_REFUSES: {
    exit: 1,
    http: 502,
    cause: "The NATS broker cannot be reached, or does not do what is asked.",
    remedy:
      "Check the address, the credentials and what they allow, and that JetStream is enabled on the broker.",
  },
  OSN_ORIGIN_REFUSED: {
    exit: 1,
    http: 403,
    cause: "The request was sent by a page of another site.",
    remedy: "Ask from a program or from the server's own pages; pages of other sites are answered nothing.",
  },
  OSN_HOST_REFUSED: {
    exit: 1,
    http: 421,
    cause: "The request names a host that is not this machine.",
    remedy: "Use http://127.0.0.1 or http://localhost with the port that was announced.",
  },
  OSN_METHOD_NOT_ALLOWED: {
    exit: 1,
    http: 405,
    cause: "This resource does not take that method.",
    remedy: "Use GET; see /openapi.json for what this server answers.",
  },
  OSN_NOT_READY: {
    exit: 1,
    http: 503,
    cause: "The store cannot accept data now.",
    remedy:
      "Check free space and rights of the data folder; what is stored stays, and recovery is automatic.",
  },
  OSN_NOT_FOUND: {
    exit: 1,
    http: 404,
    cause: "There is no such resource.",
    remedy: "See /openapi.json for what this server answers.",
  },
  OSN_NO_FIX: {
    exit: 1,
    http: 404,
    cause: "No fix of the asked assurance level is there yet.",
    remedy:
      "Wait for authentication (about 90 s from a hot start), or ask with ?assurance=unverified to see what is missing.",
  },
  OSN_INTERNAL: {
    exit: 70,
    http: 500,
    cause: "A defect in osnmad.",
    remedy: "Please report it with the message, the version and, if you can, the capture.",
  },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a code of the table; `message` says what happened here, the table says what to do. */
export class OsnmadError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "OsnmadError";
    this.code = code;
  }
  get remedy(): string {
    return ERRORS[this.code].remedy;
  }
  get exitCode(): number {
    return ERRORS[this.code].exit;
  }
}

/** Of a file system, in words; the path is the caller's to say. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user has no right to it",
  EPERM: "this user has no right to it",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
  ELOOP: "it is a link",
};

/** Why something failed, without the path and the call that a system error repeats. */
export function reasonOf(cause: unknown): string {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (typeof code === "string") return REASONS[code] ?? code;
  return cause instanceof Error ? cause.message : String(cause);
}
