/**
 * What `osnmad doctor` says of the receiver: is there a port, may it be opened, is a u-blox behind it, and does it
 * send what OSNMA needs. Asks who it is and how it is set, and listens for some seconds; nothing is changed. Edge.
 */
import { Framer } from "gnss-ubx";
import { accessSync, constants } from "node:fs";
import { OsnmadError } from "../../errors.js";
import { applyProfile } from "../../receiver/apply-profile.js";
import { identifyAtAnyRate } from "../../receiver/baud-scan.js";
import { describeReceiver, hasConfigurationKeys, type ReceiverIdentity } from "../../receiver/identity.js";
import { ownPort } from "../../receiver/own-port.js";
import { chooseProfile } from "../../receiver/profile-files.js";
import { UbxClient } from "../../receiver/ubx-client.js";
import { epochGstOf } from "../../recorder/epoch-time.js";
import type { ByteLink } from "../../source/byte-link.js";
import { openLink } from "../../source/open-link.js";
import { findPorts, theReceiver } from "../../source/serial-discovery.js";
import { ok, problem, skipped, warning, type Check } from "./check.js";

/** How far the signal's time may be behind the clock without being late, beside the clock's bound, seconds. */
const SIGNAL_LATE_SECONDS = 3;
const GALILEO = 2;

export interface Heard {
  readonly bytes: number;
  readonly ubxFrames: number;
  readonly badBytes: number;
  readonly seconds: number;
  /** RXM-SFRBX of Galileo E1-B, and the satellites they came from. */
  readonly e1Pages: number;
  readonly satellites: number;
  readonly otherSubframes: number;
  readonly rawx: number;
  readonly epochs: number;
  readonly pvt: number;
  /** Newest time that the receiver told, and when it arrived by the trusted clock. */
  readonly gst: number | null;
  readonly trustedGst: number | null;
  readonly trustedBound: number | null;
  /** Null where it does not answer. */
  readonly identity: ReceiverIdentity | null;
}

export interface ReceiverOptions {
  /** `auto`, `none`, a device, tcp://host:port. */
  readonly port: string;
  /** Rate of a UART; the usual ones are tried where it is left out. */
  readonly baud?: number;
  /** As `receiver.profile`: what a run would write. Default "auto". */
  readonly profile?: string;
  /** SEC-UNIQID of the one receiver whose data a run would use. */
  readonly uniqueId?: string;
  readonly seconds: number;
  readonly gstNow: () => { readonly gst: number; readonly boundSeconds: number } | null;
}

export async function checkReceiver(options: ReceiverOptions): Promise<Check[]> {
  if (options.port === "none") return [skipped("port", "No receiver was asked for (--port none).")];
  const checks: Check[] = [];
  let port = options.port;
  if (port === "auto") {
    const found = await findPorts();
    try {
      port = theReceiver(found).path;
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      return [problem("port", error.message, error.remedy)];
    }
    const others = found.length - 1;
    checks.push(ok("port", `${port}${others > 0 ? `, and ${others} other serial port(s)` : ""}`));
  }
  if (port.startsWith("/")) {
    const rights = rightsCheck(port);
    if (rights !== null) return [...checks, rights];
  }
  let link: ByteLink;
  try {
    link = await openLink(port, options.baud === undefined ? {} : { baudRate: options.baud });
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return [...checks, problem("port-open", error.message, error.remedy)];
  }
  checks.push(ok("port-open", `${link.name} can be opened`));
  try {
    const client = new UbxClient(link);
    const identity = await identityOrNull(client);
    const heard = await listen(link, { ...options, identity });
    const found = heardChecks(heard);
    checks.push(...uniqueIdCheck(identity, options.uniqueId));
    const { profile = "auto" } = options;
    if (identity === null || !hasConfigurationKeys(identity) || profile === "none") checks.push(...found);
    else {
      const settings = await settingsCheck(client, identity, profile);
      checks.push(...(settings.status === "warning" ? found.map(switchedOnLater) : found), settings);
    }
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    checks.push(problem("receiver", error.message, error.remedy));
  } finally {
    await link.close();
  }
  return checks;
}

const SENT_WHEN_CONFIGURED: readonly string[] = ["sfrbx", "page-time", "rawx", "pvt"];

/** What is not sent because it is not switched on is not in the way: the daemon does that at each connect. */
function switchedOnLater(check: Check): Check {
  return check.status !== "ok" && SENT_WHEN_CONFIGURED.includes(check.name)
    ? { ...skipped(check.name, "not switched on yet"), because: "settings" }
    : check;
}

/** Asks at the link's rate and, on a UART, at the others; nothing is switched on for it. */
async function identityOrNull(client: UbxClient): Promise<ReceiverIdentity | null> {
  try {
    return await identifyAtAnyRate(client);
  } catch (error) {
    if (error instanceof OsnmadError && error.code === "OSN_RECEIVER_SILENT") return null;
    throw error;
  }
}

/** What the profile of this receiver would change; nothing is written. */
async function settingsCheck(client: UbxClient, identity: ReceiverIdentity, choice: string): Promise<Check> {
  try {
    const profile = chooseProfile(choice, identity);
    const port = await ownPort(client);
    if (port === null) return skipped("settings", "The receiver does not tell which of its ports this is.");
    const { keys } = await applyProfile(client, profile, { port, dryRun: true });
    const missing = keys.filter(({ need, outcome }) => need === "required" && outcome !== "already");
    if (missing.length === 0)
      return ok("settings", `every required setting of profile ${profile.name} is in place`);
    return warning(
      "settings",
      `not configured yet: without ${missing.map(({ key }) => settingName(key)).join(", ")}`,
      "Nothing: osnmad run does that at each connect, in RAM. What it hears is seen here after osnmad configure, which can also make it last.",
    );
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return warning("settings", error.message, error.remedy);
  }
}

/** A message by its name in the interface description, any other setting by its key. */
function settingName(key: string): string {
  const message = /^CFG-MSGOUT-UBX_([A-Z0-9]+)_([A-Z0-9]+)_[A-Z0-9]+$/.exec(key);
  return message === null ? key : `${message[1]}-${message[2]}`;
}

function uniqueIdCheck(identity: ReceiverIdentity | null, wanted: string | undefined): Check[] {
  if (wanted === undefined) return [];
  const has = identity?.uniqueId ?? null;
  if (has?.toLowerCase() === wanted.toLowerCase()) return [ok("unique-id", `it is ${wanted}`)];
  return [
    problem(
      "unique-id",
      `receiver.unique_id asks for ${wanted}, and this one is ${has ?? "unknown"}: its data would not be used.`,
      "Connect that receiver, or correct or remove receiver.unique_id.",
    ),
  ];
}

function rightsCheck(port: string): Check | null {
  try {
    accessSync(port, constants.R_OK | constants.W_OK);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES") return null;
    return problem(
      "port-rights",
      `${port} may not be opened by this user.`,
      'Join the group that owns it (sudo usermod -aG dialout "$USER") and log in again.',
    );
  }
}

/** Listens until everything was heard that is looked for, or the time is up. */
export async function listen(
  link: ByteLink,
  options: Pick<ReceiverOptions, "seconds" | "gstNow"> & { readonly identity: ReceiverIdentity | null },
): Promise<Heard> {
  const framer = new Framer();
  const satellites = new Set<number>();
  const heard = { e1Pages: 0, otherSubframes: 0, rawx: 0, epochs: 0, pvt: 0 };
  let gst: number | null = null;
  let trusted: ReturnType<ReceiverOptions["gstNow"]> = null;
  const started = performance.now();
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, options.seconds * 1000);
    link.onClose(done);
    link.onData((chunk) => {
      framer.push(chunk, {
        ubx: (messageClass, messageId, payload) => {
          const told = epochGstOf(messageClass, messageId, payload);
          if (told !== null) {
            gst = told;
            trusted = options.gstNow();
            heard.epochs++;
          }
          const key = (messageClass << 8) | messageId;
          if (key === 0x0107) heard.pvt++;
          if (key === 0x0215) heard.rawx++;
          if (key === 0x0213 && payload.length >= 8) {
            if (payload[0] === GALILEO && payload[2] <= 1) {
              heard.e1Pages++;
              satellites.add(payload[1]);
            } else heard.otherSubframes++;
          }
        },
      });
    });
  });
  const { totalBytes, ubxFrames, skippedBytes } = framer.counts;
  const at = trusted as ReturnType<ReceiverOptions["gstNow"]>;
  return {
    ...heard,
    bytes: totalBytes,
    ubxFrames,
    badBytes: skippedBytes,
    seconds: (performance.now() - started) / 1000,
    satellites: satellites.size,
    gst,
    trustedGst: at?.gst ?? null,
    trustedBound: at?.boundSeconds ?? null,
    identity: options.identity,
  };
}

/** What was heard, judged. */
export function heardChecks(heard: Heard): Check[] {
  const configure = "Switch it on at the receiver: osnmad configure, or firmware-config/README.md.";
  if (heard.identity === null && heard.bytes === 0) {
    return [
      problem(
        "receiver",
        `Nothing was heard in ${heard.seconds.toFixed(0)} s.`,
        "Check cable and power; on a UART check the baud rate, and that its output protocol includes UBX.",
      ),
    ];
  }
  if (heard.identity === null && heard.ubxFrames === 0) {
    return [
      problem(
        "receiver",
        `${heard.bytes} bytes were heard, and no UBX frame in them.`,
        "On a UART the baud rate is wrong, most likely; else switch UBX output on (CFG-…-OUTPROT-UBX).",
      ),
    ];
  }
  const checks: Check[] = [];
  const { identity } = heard;
  checks.push(
    identity === null
      ? warning(
          "receiver",
          "A u-blox receiver is heard, but does not answer MON-VER.",
          "A server that is read only, or UBX input that is switched off: it can be read, not configured.",
        )
      : hasConfigurationKeys(identity)
        ? ok("receiver", describeReceiver(identity))
        : warning(
            "receiver",
            `${describeReceiver(identity)}: too old to be configured by osnmad`,
            "Switch RXM-SFRBX on with u-center; it can be read all the same.",
          ),
  );
  const share = heard.bytes === 0 ? 0 : heard.badBytes / heard.bytes;
  if (share > 0.05) {
    checks.push(
      warning(
        "line",
        `${Math.round(share * 100)} % of the bytes belong to no frame.`,
        "A UART too slow for what is sent, or a bad cable: raise the baud rate or drop messages.",
      ),
    );
  }
  checks.push(
    heard.e1Pages > 0
      ? ok(
          "sfrbx",
          `RXM-SFRBX: ${heard.e1Pages} Galileo E1-B pages of ${heard.satellites} satellite(s) in ${heard.seconds.toFixed(0)} s`,
        )
      : problem(
          "sfrbx",
          heard.otherSubframes > 0
            ? "RXM-SFRBX comes, but no Galileo E1-B page."
            : "No RXM-SFRBX: without Galileo's pages nothing can be authenticated.",
          heard.otherSubframes > 0
            ? "Switch Galileo E1 on (CFG-SIGNAL-GAL_ENA, GAL_E1_ENA), and check that the antenna sees the sky."
            : configure,
        ),
  );
  checks.push(
    heard.epochs > 0
      ? ok("page-time", "The receiver tells its time beside the pages")
      : problem(
          "page-time",
          "No NAV-TIMEGAL, NAV-PVT or RXM-RAWX with a valid time: pages have no time.",
          `${configure} Right after a start, wait for the first fix.`,
        ),
  );
  checks.push(
    heard.rawx > 0
      ? ok("rawx", "RXM-RAWX comes: an own position can be computed")
      : warning(
          "rawx",
          "No RXM-RAWX: positions can be corroborated, not computed from authenticated data.",
          `${configure} Receivers of the M9N kind cannot send it.`,
        ),
  );
  if (heard.pvt === 0) {
    checks.push(warning("pvt", "No NAV-PVT: the receiver's own position cannot be compared.", configure));
  }
  if (heard.gst !== null && heard.trustedGst !== null) {
    const late = heard.trustedGst - heard.gst;
    const fits = late < heard.trustedBound! + SIGNAL_LATE_SECONDS && late > -heard.trustedBound! - 1;
    checks.push(
      fits
        ? ok("signal-time", `The signal's time fits the clock's (${late.toFixed(1)} s behind it)`)
        : problem(
            "signal-time",
            `The signal's time is ${Math.abs(late).toFixed(1)} s ${late > 0 ? "behind" : "ahead of"} the clock's: nothing will be authenticated.`,
            "One of the two is wrong: a clock that was set wrongly, data that come late, or a signal that is replayed.",
          ),
    );
  }
  return checks;
}
