/** A daemon in this process, against a virtual receiver: what tests and long runs share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino, { type Logger } from "pino";
import { runDaemon, type DaemonOptions, type RunningDaemon } from "../../src/cli/daemon.js";
import { givenOf } from "../../src/cli/trust-options.js";
import type { Config } from "../../src/daemon/config.js";
import { loadConfig } from "../../src/daemon/config-sources.js";
import type { TrustedClock } from "../../src/daemon/ports.js";
import type { CommittedRecord } from "../../src/http/run-recorder.js";
import type { ByteLink } from "../../src/source/byte-link.js";
import { openLink } from "../../src/source/open-link.js";
import { loadTrust } from "../../src/trust/material.js";

/**
 * A clock for skies that are not now and pass faster: it says what the signal's own time says, so it is no clock at
 * all but for tests of everything else. Real trusted time is tested in test/time and by a run in real time.
 */
export class FollowingClock implements TrustedClock {
  /** The newest GST of the signal. */
  follow: () => number = () => Number.NaN;
  /** Without it there is no time. */
  trusted = true;
  /** How far it may be off, seconds of the sky; where that passes fast, the way through the program takes some. */
  boundSeconds = 2;

  arrival() {
    const gst = this.follow();
    const known = this.trusted && Number.isFinite(gst);
    return {
      unixMs: Date.now(),
      monotonicMs: performance.now(),
      trusted: known
        ? ({ gst: gst + 2, boundSeconds: this.boundSeconds, assurance: "independent" } as const)
        : null,
    };
  }
  status() {
    return {
      state: this.trusted ? ("trusted" as const) : ("untrusted" as const),
      reason: this.trusted ? null : ("not-synchronised" as const),
      detail: this.trusted ? null : "The test says so.",
      source: "configuration" as const,
      reference: null,
      boundSeconds: 2,
      allows: this.trusted ? ("all" as const) : ("none" as const),
      leapSeconds: 18,
      leapSecondsKnownUntil: 4e9,
    };
  }
  onEvent() {
    return () => undefined;
  }
  authenticatedLeapSeconds(): void {
    // Nothing to learn.
  }
  start(): Promise<void> {
    return Promise.resolve();
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** At a pace beyond real time a chunk holds more seconds of sky than the time condition allows for. */
function inSmallPieces(link: ByteLink): ByteLink {
  return {
    name: link.name,
    write: (bytes) => link.write(bytes),
    onData: (listener) => {
      link.onData((chunk) => {
        for (let at = 0; at < chunk.length; at += 256) listener(chunk.subarray(at, at + 256));
      });
    },
    onClose: (listener) => {
      link.onClose(listener);
    },
    close: () => link.close(),
    ...(link.setBaudRate === undefined ? {} : { setBaudRate: (baud) => link.setBaudRate!(baud) }),
  };
}

/** Test keys of captures/trust. */
export function testMaterial(): DaemonOptions["material"] {
  const material = loadTrust({
    merkle: ["captures/trust/TEST_OSNMA_MerkleTree_A.xml"],
    publicKey: ["captures/trust/TEST_OSNMA_PublicKey_2.xml"],
    noTrust: false,
  });
  return { ...givenOf(material), snapshot: null, warnings: [], simulated: true };
}

export function configOf(toml: Record<string, unknown>): Config {
  return loadConfig({ file: null, environment: {}, home: "/nonexistent", flags: toml }).config;
}

export interface Bench {
  readonly daemon: RunningDaemon;
  readonly clock: FollowingClock;
  /** All records that were committed, in order. */
  readonly records: CommittedRecord[];
  readonly dataDirectory: string;
  /** Stops it; rejects with what it failed of. */
  stop(): Promise<void>;
}

export interface BenchOptions extends Partial<Omit<DaemonOptions, "config" | "stop">> {
  readonly config?: Record<string, unknown>;
}

/** Starts a daemon and resolves when it runs. */
export function startBench(options: BenchOptions): Promise<Bench> {
  const { config = {}, ...rest } = options;
  const dataDirectory = options.dataDirectory ?? mkdtempSync(join(tmpdir(), "osnmad-daemon-"));
  const clock = new FollowingClock();
  const controller = new AbortController();
  const records: CommittedRecord[] = [];
  const silent = pino({ level: "silent" }) as Logger;
  return new Promise((resolve, reject) => {
    const running = runDaemon({
      config: configOf({ "http.port": 0, "recording.enabled": false, ...config }),
      material: testMaterial(),
      clock,
      setup: null,
      makeRecording: null,
      logger: silent,
      open: async (port, how) => inSmallPieces(await openLink(port, how)),
      ...rest,
      dataDirectory,
      stop: controller.signal,
      onStarted: (daemon) => {
        // After a gap in the line the epochs say so before the pages: those must fit a clock that is right already.
        let epoch = Number.NEGATIVE_INFINITY;
        clock.follow = () => Math.max(daemon.live.pipeline.engine.now, epoch);
        daemon.onCommitted((committed) => {
          records.push(...committed);
          for (const record of committed) if (record.type === "fix") epoch = Math.max(epoch, record.gst);
        });
        options.onStarted?.(daemon);
        resolve({
          daemon,
          clock,
          records,
          dataDirectory,
          stop: async () => {
            controller.abort();
            await running;
            if (options.dataDirectory === undefined) rmSync(dataDirectory, { recursive: true });
          },
        });
      },
    });
    running.catch(reject);
  });
}

/** As if somebody had switched everything on in flash before. */
export function streaming(): ReadonlyMap<never, number> {
  return new Map(
    ["RXM_SFRBX", "RXM_RAWX", "NAV_PVT", "NAV_SAT", "NAV_STATUS", "NAV_TIMEGAL", "NAV_EOE", "MON_COMMS"].map(
      (name) => [`CFG-MSGOUT-UBX_${name}_USB` as never, 1],
    ),
  );
}
