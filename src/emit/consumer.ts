/**
 * The reference consumer: followers of one or many stations, what they were sent, and what is missing fetched from
 * the stations' tiles. Edge.
 */
import { parseOrigin } from "../station/origin.js";
import { backfill, type Taken } from "./backfill.js";
import { INPUT, type ConsumerStore, type Input } from "./consumer-store.js";
import { MAX_FEDERATION_ENVELOPE_BYTES, peelEnvelope, type Envelope } from "./envelope.js";
import { Follower, type FollowOptions, type Verdict } from "./follower.js";
import { HttpFault, TooLong, type HttpSource } from "./http-source.js";
import { fetchCosignatures } from "./lost-cosignatures.js";
import { spanInputs, StoredSpans } from "./stored-spans.js";

export type StationVerdict = Verdict & { readonly station: string };

export interface ConsumerOptions {
  readonly stations: readonly FollowOptions[];
  readonly store: ConsumerStore | null;
  readonly onVerdict: (verdict: StationVerdict) => void;
}

export interface FollowHttpOptions {
  readonly signal: AbortSignal;
  /** Ends when there is nothing more. */
  readonly once?: boolean;
  readonly onFault?: (error: unknown) => void;
  /** How often what the station has signed is compared with what it sent, milliseconds. */
  readonly compareMs?: number;
}

export const COMPARE_MS = 60_000;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 60_000;
const POLL_SECONDS = 20;
/** An empty page that comes sooner was not waited for. */
const EARLY_MS = (POLL_SECONDS * 1000) / 4;
const PAGE = 512;
/** With fewer messages of a station at once each is judged by its own signature. */
const CATCH_UP = 6;
/** Stored messages that are judged together. */
const REPLAY = 1024;
/** Of one source, however much there is to fetch: it goes on at the next comparison. */
const BACKFILL_MS = 120_000;

export class Consumer {
  /** By station id. Others after a fault of the store: not to be kept over an await. */
  readonly followers = new Map<string, Follower>();
  readonly #options: ConsumerOptions;
  readonly #backfills = new Map<HttpSource, Promise<number>>();
  /** Leaves of a source whose cosignatures are not asked for any more. */
  readonly #settled = new Map<HttpSource, number>();
  readonly #positions = new Map<string, number>();
  /** Something could not be stored: the followers are made again from the store before anything else is taken. */
  isStale = true;
  /** Messages of stations that are not followed, and bytes that are no envelope for a federation. */
  strangers = 0;

  /** Judges again all that the store has. */
  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#restore();
  }

  /**
   * Takes messages of a source, whatever station they are of; with the position on disk on return. Returns the stations
   * of which something is missing. Throws where it cannot be stored: then nothing was taken, and nothing told.
   */
  take(messages: readonly Uint8Array[], position: { source: string; seq: number } | null): Follower[] {
    if (this.isStale) this.#restore();
    const opened = messages.flatMap((body) => {
      const envelope = peelEnvelope(body, MAX_FEDERATION_ENVELOPE_BYTES);
      const follower = envelope === null ? undefined : this.followers.get(hex(envelope.station));
      return envelope === null || follower === undefined ? [] : [{ body, envelope, follower }];
    });
    this.strangers += messages.length - opened.length;
    const { inputs, verdicts, behind } = judge(opened);
    this.#write(inputs, verdicts, position);
    return [...behind];
  }

  /**
   * Compares what a station has signed with what was taken of it, and fetches what is missing from its tiles; one task
   * for each source. Returns the leaves that came. Throws Error for an address that does not give what was signed.
   */
  backfill(source: HttpSource, signal?: AbortSignal): Promise<number> {
    const running = this.#backfills.get(source);
    if (running !== undefined) return running;
    const task = this.#backfill(source, signal).finally(() => this.#backfills.delete(source));
    this.#backfills.set(source, task);
    return task;
  }

  async #backfill(source: HttpSource, signal?: AbortSignal): Promise<number> {
    const deadline = AbortSignal.timeout(BACKFILL_MS);
    const until = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    const checkpoint = await source.checkpoint(until);
    const id = hex(parseOrigin(checkpoint.origin)?.station ?? new Uint8Array(0));
    if (this.followers.get(id)?.origin !== checkpoint.origin) return 0;
    const options = {
      source,
      follower: () => {
        if (this.isStale) this.#restore();
        return this.followers.get(id)!;
      },
      take: ({ inputs, verdicts }: Taken) => {
        this.#write(
          inputs,
          verdicts.map((verdict) => ({ station: id, ...verdict })),
          null,
        );
      },
      signal: until,
    };
    const leaves = await backfill({ ...options, checkpoint });
    this.#settled.set(source, await fetchCosignatures(options, this.#settled.get(source) ?? 0));
    return leaves;
  }

  /**
   * Follows a station over HTTP until it is stopped, or with `once` until there is nothing more. Faults of the network
   * and of the store are told and waited out; with `once` the fifth in a row is thrown.
   */
  async follow(source: HttpSource, options: FollowHttpOptions): Promise<void> {
    const { signal, once = false, onFault, compareMs = COMPARE_MS } = options;
    let position = this.positionOf(source.url);
    let failures = 0;
    let early = 0;
    let limit = PAGE;
    let compared = performance.now();
    while (!signal.aborted) {
      try {
        const asked = performance.now();
        const page = await source.pull(position, limit, once ? 0 : POLL_SECONDS, signal);
        const isEmpty = page.messages.length === 0;
        // A station whose outbox was made anew counts from the beginning; what is known is told by its index.
        const isNew = page.last < position;
        const gone = page.first > position + 1;
        const seq = page.messages.at(-1)?.seq ?? (isNew ? 0 : position);
        const behind = this.take(
          page.messages.map(({ envelope }) => envelope),
          { source: source.url, seq },
        );
        position = seq;
        limit = Math.min(PAGE, limit * 2);
        const isDone = once && isEmpty && !isNew;
        const isDue = isDone || performance.now() - compared >= compareMs;
        if (gone || behind.length > 0 || isDue) {
          compared = performance.now();
          await this.#compare(source, options);
        }
        failures = 0;
        if (isDone) return;
        early = isEmpty && performance.now() - asked < EARLY_MS ? early + 1 : 0;
        if (early > 0 && !once) await wait(waitMs(early), signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof TooLong && limit > 1) {
          limit = Math.ceil(limit / 8);
          continue;
        }
        onFault?.(error);
        failures++;
        if (once && failures >= 5) throw error;
        const asked = error instanceof HttpFault ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
        await wait(Math.max(asked, waitMs(failures)), signal);
      }
    }
  }

  /** How far a source was read and stored. */
  positionOf(source: string): number {
    let position = this.#positions.get(source);
    if (position === undefined) {
      position = this.#options.store?.position(source) ?? 0;
      this.#positions.set(source, position);
    }
    return position;
  }

  status() {
    return [...this.followers.values()].map((follower) => follower.status);
  }

  /** An address that gives no tiles, or false ones, is no reason not to take messages from it. */
  async #compare(source: HttpSource, { signal, onFault }: FollowHttpOptions): Promise<void> {
    try {
      await this.backfill(source, signal);
    } catch (error) {
      if (this.isStale) throw error;
      if (!signal.aborted) onFault?.(error);
    }
  }

  #restore(): void {
    this.followers.clear();
    for (const station of this.#options.stations) {
      const follower = new Follower(station);
      this.followers.set(hex(follower.station), follower);
    }
    let batch: Judged[] = [];
    const spans = new StoredSpans();
    for (const input of this.#options.store?.inputs() ?? []) {
      const follower = this.followers.get(hex(input.station));
      const envelope =
        input.kind === INPUT.envelope ? peelEnvelope(input.body, MAX_FEDERATION_ENVELOPE_BYTES) : null;
      if (follower !== undefined && envelope !== null) batch.push({ body: input.body, envelope, follower });
      if (batch.length >= REPLAY || input.kind !== INPUT.envelope) {
        judge(batch);
        batch = [];
      }
      if (input.kind !== INPUT.envelope) spans.take(follower, input);
    }
    judge(batch);
    this.#positions.clear();
    this.isStale = false;
  }

  /** Where it cannot be stored, the followers know more than the store: they are made again from it before all else. */
  #write(
    inputs: readonly Input[],
    verdicts: readonly StationVerdict[],
    position: { source: string; seq: number } | null,
  ): void {
    const isMoved = position !== null && this.positionOf(position.source) !== position.seq;
    if (inputs.length > 0 || verdicts.length > 0 || isMoved) {
      try {
        this.#options.store?.write(
          inputs,
          verdicts.map(({ station, ...verdict }) => ({
            station: Buffer.from(station, "hex"),
            type: verdict.type,
            body: JSON.stringify(verdict),
          })),
          isMoved ? position : null,
        );
      } catch (error) {
        this.isStale = true;
        throw error;
      }
      if (isMoved) this.#positions.set(position.source, position.seq);
    }
    for (const verdict of verdicts) this.#options.onVerdict(verdict);
  }
}

interface Judged {
  readonly body: Uint8Array;
  readonly envelope: Envelope;
  readonly follower: Follower;
}

/** Messages in order: what follows from them, which of them are worth storing, and who lacks something after them. */
function judge(messages: readonly Judged[]) {
  const inputs: Input[] = [];
  const verdicts: StationVerdict[] = [];
  const behind = new Set<Follower>();
  const told = (follower: Follower, found: readonly Verdict[]): void => {
    for (const verdict of found) verdicts.push({ station: hex(follower.station), ...verdict });
  };
  const own = new Map<Follower, Envelope[]>();
  for (const { envelope, follower } of messages) {
    const known = own.get(follower);
    if (known === undefined) own.set(follower, [envelope]);
    else known.push(envelope);
  }
  const taken = new Set<Envelope>();
  for (const [follower, envelopes] of own) {
    if (envelopes.length < CATCH_UP && envelopes.every(({ keyId }) => follower.knows(keyId))) continue;
    const caught = follower.catchUp(envelopes);
    if (caught === null) continue;
    for (const envelope of caught.taken) taken.add(envelope);
    told(follower, caught.verdicts);
    inputs.push(...spanInputs(follower, caught.span));
  }
  for (const { body, envelope, follower } of messages) {
    if (taken.has(envelope)) continue;
    const { verdicts: found, standing, isBehind } = follower.judge(envelope);
    if (isBehind) behind.add(follower);
    told(follower, found);
    if (standing === "new") inputs.push({ station: follower.station, kind: INPUT.envelope, body });
  }
  return { inputs, verdicts, behind };
}

function waitMs(times: number): number {
  return Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (times - 1)) * (0.5 + Math.random() / 2);
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
