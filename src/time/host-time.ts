/**
 * Trusted time of this machine: asks the program that disciplines its clock, in the background, and feeds the
 * clock model. Nothing here waits on the caller's time, and nothing comes from the receiver's signal. Edge.
 */
import { readFile, stat } from "node:fs/promises";
import type { TrustedTime } from "../osnma/time-gate.js";
import { parseChronyTracking } from "./chrony.js";
import { ClockModel } from "./clock-model.js";
import { runCommand, type RunCommand } from "./command.js";
import { parseLeapSecondsList } from "./leap-seconds.js";
import { parseNtpVariables } from "./ntpd.js";
import { readSystemClocks, type ReadClocks } from "./system-clocks.js";
import { parseTimesync, SYNCHRONIZED_FILE } from "./timesyncd.js";
import type { Arrival, LeapSecondWord, SyncReport, TimeEvent, TimeSource, TimeStatus } from "./types.js";

export interface HostTimeOptions {
  /** Which program is asked; `auto`: whichever is there and synchronised; `none`: none. */
  readonly source?: "auto" | "chrony" | "ntpd" | "systemd-timesyncd" | "none";
  /** The operator vouches for the system clock to `boundSeconds` where no program does. */
  readonly assumeSynchronised?: boolean;
  /** Bound under `assumeSynchronised`; seconds. Without it, that has no effect. */
  readonly boundSeconds?: number | null;
  readonly driftPpm?: number;
  readonly stepSeconds?: number;
  readonly pollSeconds?: number;
  /** Take a clock attached to this machine for independent: only where it is not the receiver that is judged. */
  readonly acceptReferenceClock?: boolean;
}

export interface HostTimeEdges {
  readonly readClocks?: ReadClocks;
  readonly run?: RunCommand;
  /** Modification time, Unix milliseconds; null where there is no such file. */
  readonly touchedAt?: (path: string) => Promise<number | null>;
  readonly readText?: (path: string) => Promise<string | null>;
}

export const DEFAULT_POLL_SECONDS = 16;
const COMMAND_TIMEOUT_MS = 3000;
/** Where tzdata keeps the list of leap seconds. */
const LEAP_SECONDS_FILES = ["/usr/share/zoneinfo/leap-seconds.list", "/etc/ntp/leap-seconds.list"];
/** The list is looked at again this often: it is replaced by updates of the system. */
const LEAP_SECONDS_EVERY_MS = 3_600_000;

/** What each program said when it was asked. */
export interface Probe {
  readonly source: "chrony" | "ntpd" | "systemd-timesyncd";
  readonly report: SyncReport | null;
  /** Why there is no report; null where there is one. */
  readonly why: string | null;
}

/** @throws RangeError for options outside their range. */
export function hostTime(options: HostTimeOptions = {}, edges: HostTimeEdges = {}): TimeSource {
  return new HostTime(options, edges);
}

class HostTime implements TimeSource {
  readonly #options: HostTimeOptions;
  readonly #edges: Required<HostTimeEdges>;
  readonly #model: ClockModel;
  readonly #pollMs: number;
  readonly #listeners = new Set<(event: TimeEvent) => void>();
  #timer: NodeJS.Timeout | null = null;
  #polling: Promise<void> | null = null;
  #leapLookedAtMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: HostTimeOptions, edges: HostTimeEdges) {
    const { pollSeconds = DEFAULT_POLL_SECONDS, boundSeconds = null } = options;
    if (!(pollSeconds >= 1 && pollSeconds <= 3600)) throw new RangeError("pollSeconds must be 1 to 3600");
    if (boundSeconds !== null && !(boundSeconds >= 0))
      throw new RangeError("boundSeconds must not be negative");
    this.#options = options;
    this.#edges = edgesOf(edges);
    this.#pollMs = pollSeconds * 1000;
    this.#model = new ClockModel({
      ...(options.driftPpm === undefined ? {} : { driftPpm: options.driftPpm }),
      ...(options.stepSeconds === undefined ? {} : { stepSeconds: options.stepSeconds }),
      onEvent: (event) => {
        for (const listener of this.#listeners) listener(event);
      },
    });
  }

  now(): TrustedTime | null {
    return this.#model.at(this.#edges.readClocks());
  }

  arrival(): Arrival {
    const reading = this.#edges.readClocks();
    return {
      unixMs: reading.unixMs,
      monotonicMs: reading.monotonicMs,
      trusted: this.#model.at(reading),
    };
  }

  status(): TimeStatus {
    return this.#model.status(this.#edges.readClocks());
  }

  onEvent(listener: (event: TimeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  authenticatedLeapSeconds(word: LeapSecondWord): void {
    this.#model.authenticatedLeapSeconds(this.#edges.readClocks(), word);
  }

  async start(): Promise<void> {
    this.#stopped = false;
    await this.#poll();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#polling;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      void this.#poll().then(() => {
        this.#schedule();
      });
    }, this.#pollMs);
    this.#timer.unref();
  }

  #poll(): Promise<void> {
    this.#polling ??= this.#ask().finally(() => {
      this.#polling = null;
    });
    return this.#polling;
  }

  async #ask(): Promise<void> {
    await this.#lookAtLeapSeconds();
    const probes: Probe[] = [];
    for (const source of sourcesOf(this.#options)) {
      const probe = await probeOne(source, this.#options.acceptReferenceClock === true, this.#edges);
      if (this.#stopped) return;
      if (probe.report?.synchronised === true) {
        // Read after the answer: readings made meanwhile, for bytes that came, must not be newer than this one.
        this.#model.report(this.#edges.readClocks(), probe.report);
        return;
      }
      probes.push(probe);
    }
    const reading = this.#edges.readClocks();
    const assumed = assumedReport(this.#options);
    // What a program says against the clock outweighs what the configuration says for it.
    const said = probes.find(({ report }) => report !== null)?.report ?? null;
    if (said !== null) this.#model.report(reading, said);
    else if (assumed !== null) this.#model.report(reading, assumed);
    else this.#model.noReport(reading, noProgram(probes));
  }

  async #lookAtLeapSeconds(): Promise<void> {
    const { monotonicMs } = this.#edges.readClocks();
    if (monotonicMs - this.#leapLookedAtMs < LEAP_SECONDS_EVERY_MS) return;
    this.#leapLookedAtMs = monotonicMs;
    for (const file of LEAP_SECONDS_FILES) {
      const text = await this.#edges.readText(file);
      const table = text === null ? null : parseLeapSecondsList(text);
      if (table !== null) this.#model.useLeapSeconds(table);
    }
  }
}

/** Asks each program once: for `osnmad doctor`. */
export async function probeTime(options: HostTimeOptions = {}, edges: HostTimeEdges = {}): Promise<Probe[]> {
  const accept = options.acceptReferenceClock === true;
  const whole = edgesOf(edges);
  return Promise.all(sourcesOf(options).map((source) => probeOne(source, accept, whole)));
}

function edgesOf(edges: HostTimeEdges): Required<HostTimeEdges> {
  return {
    readClocks: edges.readClocks ?? readSystemClocks,
    run: edges.run ?? runCommand,
    touchedAt: edges.touchedAt ?? touchedAt,
    readText: edges.readText ?? readText,
  };
}

function sourcesOf({ source = "auto" }: HostTimeOptions): readonly Probe["source"][] {
  if (source === "none") return [];
  return source === "auto" ? ["chrony", "ntpd", "systemd-timesyncd"] : [source];
}

function assumedReport({ assumeSynchronised, boundSeconds }: HostTimeOptions): SyncReport | null {
  if (assumeSynchronised !== true || boundSeconds === undefined || boundSeconds === null) return null;
  return {
    source: "configuration",
    synchronised: true,
    why: null,
    boundSeconds,
    updatedUnixMs: null,
    leap: "none",
    reference: null,
  };
}

async function probeOne(
  source: Probe["source"],
  acceptReferenceClock: boolean,
  { run, touchedAt: touched }: Required<HostTimeEdges>,
): Promise<Probe> {
  const [program, args] = COMMANDS[source];
  const result = await run(program, args, COMMAND_TIMEOUT_MS);
  if (!result.ok) return { source, report: null, why: `${result.why}.` };
  const report =
    source === "chrony"
      ? parseChronyTracking(result.text, acceptReferenceClock)
      : source === "ntpd"
        ? parseNtpVariables(result.text, acceptReferenceClock)
        : parseTimesync(result.text, await touched(SYNCHRONIZED_FILE));
  return {
    source,
    report,
    why: report === null ? `${program} gave an answer that is not understood.` : null,
  };
}

const COMMANDS: Readonly<Record<Probe["source"], readonly [string, readonly string[]]>> = {
  chrony: ["chronyc", ["-c", "-n", "tracking"]],
  ntpd: ["ntpq", ["-n", "-c", "rv"]],
  "systemd-timesyncd": ["timedatectl", ["show-timesync", "--all"]],
};

function noProgram(probes: readonly Probe[]): string {
  if (probes.length === 0) return "No program is asked (time.source is none).";
  return probes.map(({ why }) => why).join(" ");
}

async function touchedAt(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mtimeMs;
  } catch {
    return null;
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    const { size } = await stat(path);
    return size > 1_000_000 ? null : await readFile(path, "latin1");
  } catch {
    return null;
  }
}
