/**
 * The stages from bytes to authenticated data in their order, as one plain object: bytes (and what a trusted
 * clock says of their arrival) in, records out. Replay and live run this same code.
 */
import { Framer, type FrameSink } from "gnss-ubx";
import type { InavPage, PageDefect } from "../inav/page.js";
import { ReceiverStream } from "../inav/receiver-stream.js";
import { OsnmaEngine, type OsnmaOptions, type TagRecord } from "../osnma/engine.js";
import type { TrustedTime } from "../osnma/time-gate.js";
import type { Mode, OutputRecord, SatelliteRecord, SummaryRecord } from "./records.js";

/** Clock bound that the capture's own timeline stands in with (docs/ttfaf.md: B = 1 s). */
const CAPTURE_BOUND_SECONDS = 1;
const MAX_SVID = 36;

export interface PipelineOptions extends Omit<OsnmaOptions, "timeAssurance" | "onTag"> {
  readonly mode: Mode;
  /**
   * What the time condition rests on: the capture's own timeline, or the trusted time given with the bytes, without
   * which nothing is authenticated. Mode `live` takes only the second; a live run with test keys is `simulated` and
   * must be held to the same. Default: `independent` in mode `live`, else `capture`.
   */
  readonly timeAssurance?: "capture" | "independent";
  /** Seconds of capture left out at the beginning. */
  readonly startOffsetSeconds?: number;
  /**
   * Makes the stage that writes a record for every epoch's fix; without it there are none. Handed in, so that who
   * wants no fixes does not load what makes them.
   */
  readonly fixes?: FixStageMaker | null;
  /** Write a record for every decided tag. */
  readonly tags?: boolean;
  /** Is shown what comes in, before anything is made of it: pages with their time, and the receiver's messages. */
  readonly observer?: PipelineObserver | null;
  readonly softwareVersion: string;
}

export type PipelineRecord = OutputRecord | TagRecord;

/** Looks on and changes nothing: what the station's log commits to. */
export interface PipelineObserver {
  /** A page that began at `gst`, with the trusted time of its arrival; null in replay. */
  page(page: InavPage, gst: number, trusted: TrustedTime | null): void;
  /** A UBX message; its payload is valid during the call. */
  message(messageClass: number, messageId: number, payload: Uint8Array): void;
}

/** What became of the epochs that the receiver gave: all received are fixed or dropped for one of these reasons. */
export interface EpochCounts {
  readonly received: number;
  /** A fix record was made, of whatever grade. */
  readonly fixed: number;
  readonly dropped: {
    /** No Galileo time yet: no page had come that has one. */
    readonly beforeTime: number;
    /** Not after the newest fix: given before, or out of order. */
    readonly notNewer: number;
    /** Measurements that cannot be used (docs/output.md, `epoch-refused-…`), and no NAV-PVT. */
    readonly refused: number;
  };
}

/** The last stage, as far as the pipeline needs it. */
export interface FixStagePort {
  readonly epochs: EpochCounts;
  message(messageClass: number, messageId: number, payload: Uint8Array, trusted?: TrustedTime | null): void;
  receiverChanged(): void;
  end(): void;
}

export type FixStageMaker = (engine: OsnmaEngine, emit: (record: OutputRecord) => void) => FixStagePort;

/** What the time condition rests on, by the options. @throws RangeError for a live run on its own timeline. */
export function timeAssuranceOf(options: {
  readonly mode: Mode;
  readonly timeAssurance?: "capture" | "independent";
}): "capture" | "independent" {
  const { mode, timeAssurance = mode === "live" ? "independent" : "capture" } = options;
  if (mode === "live" && timeAssurance !== "independent") {
    throw new RangeError("a live run takes its time from a clock independent of the signal");
  }
  return timeAssurance;
}

export class Pipeline {
  readonly engine: OsnmaEngine;
  readonly framer = new Framer();
  readonly #stream: ReceiverStream<TrustedTime | null | undefined>;
  readonly #frames: FrameSink;
  readonly #fix: FixStagePort | null;
  readonly #mode: Mode;
  readonly #timeAssurance: "capture" | "independent";
  readonly #observer: PipelineObserver | null;
  readonly #options: PipelineOptions;
  #trusted: TrustedTime | null | undefined = undefined;
  /** The capture's own timeline; one object, moved on with every page. */
  readonly #captureTime = { gst: 0, boundSeconds: CAPTURE_BOUND_SECONDS, assurance: "capture" as const };
  #firstGst: number | null = null;
  #lastGst: number | null = null;
  /** The offset at the beginning is over: from then on every page is handed on, whatever its time. */
  #started = false;
  #skippedPages = 0;
  #vectorPages = 0;
  #vectorDefects = 0;
  readonly #satellitePages = new Uint32Array(MAX_SVID + 1);
  readonly #satelliteLast = new Float64Array(MAX_SVID + 1).fill(-1);
  readonly #satelliteOsnma = new Uint8Array(MAX_SVID + 1);

  constructor(options: PipelineOptions, emit: (record: PipelineRecord) => void) {
    this.#options = options;
    this.#mode = options.mode;
    this.#timeAssurance = timeAssuranceOf(options);
    this.#observer = options.observer ?? null;
    this.engine = new OsnmaEngine(
      {
        ...options,
        timeAssurance: this.#timeAssurance,
        onTag: options.tags === true ? emit : null,
      },
      { event: emit, authenticated: emit },
    );
    this.#stream = new ReceiverStream((page, gst, stamp) => {
      this.page(page, gst, stamp);
    });
    this.#fix = options.fixes?.(this.engine, emit) ?? null;
    this.#frames = {
      ubx: (messageClass, messageId, payload) => {
        this.#stream.message(messageClass, messageId, payload, this.#trusted);
        this.#observer?.message(messageClass, messageId, payload);
        this.#fix?.message(messageClass, messageId, payload, this.#trusted);
      },
    };
  }

  /**
   * Takes in bytes of the receiver. `trusted` is what a clock independent of the signal says of their arrival, null
   * where it says nothing. In replay it is what the recording kept of that; where it is left out (a capture that
   * kept none) the capture's own timeline stands in. Live, left out is nothing.
   */
  push(bytes: Uint8Array, trusted?: TrustedTime | null): void {
    this.#trusted = trusted;
    this.framer.push(bytes, this.#frames);
  }

  /** The line broke: what stands unfinished is searched for whole frames, and nothing is joined to it later. */
  lineBroke(): void {
    this.framer.end(this.#frames);
  }

  /**
   * Another receiver speaks from here on, or the same one that was started anew: fixes begin without what was known of
   * the old one. What Galileo signed stays authenticated.
   */
  receiverChanged(): void {
    this.#fix?.receiverChanged();
  }

  /** Takes in a page whose time is known (official test vectors), or what is wrong with it. */
  vectorPage(page: InavPage | PageDefect, gst: number): void {
    if (typeof page === "string") {
      this.#vectorDefects++;
      if (page === "dummy-word") this.#vectorPages++;
      return;
    }
    this.#vectorPages++;
    this.page(page, gst, undefined);
  }

  private page(page: InavPage, gst: number, stamp: TrustedTime | null | undefined): void {
    if (!this.#started) {
      // A first time too far ahead is corrected by what comes after it, and must not hide that.
      if (this.#firstGst === null || gst < this.#firstGst) this.#firstGst = gst;
      if (gst < this.#firstGst + (this.#options.startOffsetSeconds ?? 0)) {
        if (page.band === "E1-B") this.#skippedPages++;
        return;
      }
      this.#started = true;
    }
    this.#lastGst = gst;
    this.#observer?.page(page, gst, stamp ?? null);
    this.#satellitePages[page.svid]++;
    this.#satelliteLast[page.svid] = gst;
    if (page.hasOsnma) this.#satelliteOsnma[page.svid] = 1;
    if (this.#timeAssurance === "independent") {
      // Only a clock independent of the signal counts.
      this.engine.push(page, gst, stamp?.assurance === "independent" ? stamp : null);
      return;
    }
    if (stamp !== undefined) {
      this.engine.push(page, gst, stamp);
      return;
    }
    this.#captureTime.gst = gst + 2;
    this.engine.push(page, gst, this.#captureTime);
  }

  /** Ends the stream: what waits is decided, and the summary is returned (not emitted). */
  end(): SummaryRecord {
    this.framer.end(this.#frames);
    this.#stream.end();
    this.#fix?.end();
    return this.summary();
  }

  /** CRC-valid E1-B pages that came. */
  get pages(): number {
    return this.#stream.counts.pages["E1-B"];
  }

  /** What became of the receiver's epochs; null where no fixes are made. */
  get epochs(): EpochCounts | null {
    return this.#fix?.epochs ?? null;
  }

  /** Pages that got a time. */
  get timedPages(): number {
    return this.#stream.clock.counts.timed;
  }

  /** Seconds from the start to the first authenticated fix, null while there is none. */
  get ttfafSeconds(): number | null {
    const { firstFixAt } = this.engine;
    const start = this.#startGst;
    return firstFixAt === null || start === null ? null : firstFixAt - start;
  }

  get #startGst(): number | null {
    return this.#firstGst === null ? null : this.#firstGst + (this.#options.startOffsetSeconds ?? 0);
  }

  satellites(): SatelliteRecord[] {
    const records: SatelliteRecord[] = [];
    for (let svid = 1; svid <= MAX_SVID; svid++) {
      if (this.#satellitePages[svid] === 0) continue;
      records.push({
        svid,
        lastPage: this.#satelliteLast[svid] < 0 ? null : this.#satelliteLast[svid],
        pages: this.#satellitePages[svid],
        transmitsOsnma: this.#satelliteOsnma[svid] === 1,
        authenticated: this.engine.satelliteStatus(svid),
        timingAuthenticatedAt: this.engine.timingVerifiedAt(svid),
      });
    }
    return records;
  }

  summary(): SummaryRecord {
    const { engine } = this;
    const { counts: stream, clock } = this.#stream;
    return {
      type: "summary",
      tags: {
        verified: { ...engine.verified },
        failed: { ...engine.failed },
        dummy: { ...engine.dummy },
        authenticated: { ...engine.authenticatedTags },
      },
      macseq: { verified: engine.macseqVerified, failed: engine.macseqFailed },
      keysVerified: engine.keysVerified,
      rootKeysVerified: engine.rootKeysVerified,
      publicKeysVerified: engine.publicKeysVerified.slice(),
      alertVerified: engine.alertVerified,
      ttfafSeconds: this.ttfafSeconds,
      nmaStatus: engine.nmaStatus,
      cpks: engine.cpks,
      chainId: engine.chainId,
      state: engine.state,
      pages: stream.pages["E1-B"] + this.#vectorPages - this.#skippedPages,
      badBytes: this.framer.counts.skippedBytes,
      rule: engine.rule,
      mode: this.#mode,
      timeAssurance: this.#timeAssurance,
      firstPageGst: this.#startGst,
      lastPageGst: this.#lastGst,
      pagesE5b: stream.pages.E5b,
      skippedPages: this.#skippedPages,
      pageDefects: { ...stream.defects, vector: this.#vectorDefects },
      pageTimes: { ...clock.counts },
      stalePages: engine.stalePages,
      gatedPages: engine.gatedPages,
      word5Anomalies: engine.word5Anomalies,
      frames: { ...this.framer.counts },
      softwareVersion: this.#options.softwareVersion,
    };
  }
}
