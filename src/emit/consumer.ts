/**
 * The reference consumer: followers of one or many stations, what they were sent, and what is missing fetched from
 * the stations' tiles. Edge.
 */
import { formatNote } from "../station/note.js";
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { INPUT, type ConsumerStore, type Input } from "./consumer-store.js";
import { openEnvelope, type OpenedEnvelope } from "./envelope.js";
import { Follower, type FollowOptions, type Verdict } from "./follower.js";
import type { HttpSource } from "./http-source.js";
import { parseOrigin } from "../station/origin.js";

export type StationVerdict = Verdict & { readonly station: string };

export interface ConsumerOptions {
  readonly stations: readonly FollowOptions[];
  readonly store: ConsumerStore | null;
  readonly onVerdict: (verdict: StationVerdict) => void;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 60_000;
const PAGE = 1024;
/** With fewer messages of a station at once each is judged by its own signature. */
const CATCH_UP = 6;

export class Consumer {
  readonly followers = new Map<string, Follower>();
  readonly #options: ConsumerOptions;
  /** Messages of stations that are not followed, and bytes that are no envelope. */
  strangers = 0;

  /** Judges again all that the store has. */
  constructor(options: ConsumerOptions) {
    this.#options = options;
    for (const station of options.stations) {
      const follower = new Follower(station);
      this.followers.set(hex(follower.station), follower);
    }
    const leaves: Uint8Array[] = [];
    for (const { station, kind, body } of options.store?.inputs() ?? []) {
      const follower = this.followers.get(hex(station));
      if (kind === INPUT.leaf) leaves.push(body);
      else if (kind === INPUT.checkpoint) {
        const checkpoint = parseCheckpoint(body);
        if (checkpoint !== null) follower?.fill(leaves, checkpoint);
        leaves.length = 0;
      } else follower?.accept(body);
    }
  }

  /** Takes messages of a source, whatever station they are of; on disk on return. Returns the stations with gaps. */
  take(messages: readonly Uint8Array[], position: { source: string; seq: number } | null): Follower[] {
    const inputs: Input[] = [];
    const verdicts: StationVerdict[] = [];
    const gaps = new Set<Follower>();
    const told = (follower: Follower, found: readonly Verdict[]): void => {
      for (const verdict of found) verdicts.push({ station: hex(follower.station), ...verdict });
    };
    const known: { body: Uint8Array; envelope: OpenedEnvelope; follower: Follower }[] = [];
    const byFollower = new Map<Follower, OpenedEnvelope[]>();
    for (const body of messages) {
      const envelope = openEnvelope(body);
      const follower = envelope === null ? undefined : this.#followerOf(envelope.station);
      if (envelope === null || follower === undefined) {
        this.strangers++;
        continue;
      }
      known.push({ body, envelope, follower });
      const own = byFollower.get(follower);
      if (own === undefined) byFollower.set(follower, [envelope]);
      else own.push(envelope);
    }
    const taken = new Set<OpenedEnvelope>();
    for (const [follower, own] of byFollower) {
      const caughtUp = own.length >= CATCH_UP ? follower.catchUp(own) : null;
      if (caughtUp === null) continue;
      for (const envelope of caughtUp.taken) taken.add(envelope);
      inputs.push(...provenInputs(follower, caughtUp.leaves, caughtUp.checkpoint));
      told(follower, caughtUp.verdicts);
    }
    for (const { body, envelope, follower } of known) {
      if (taken.has(envelope)) continue;
      const { size } = follower;
      const found = follower.acceptOpened(envelope);
      if (found.some(({ type }) => type === "gap")) gaps.add(follower);
      told(follower, found);
      // A repeat changes nothing, now or when it is judged again.
      if (found.length > 0 || follower.size > size || envelope.statement.kind === "cosignature") {
        inputs.push({ station: follower.station, kind: INPUT.envelope, body });
      }
    }
    this.#write(inputs, verdicts, position);
    return [...gaps].filter((follower) => this.#isBehind(follower, verdicts));
  }

  /** Fetches what a follower misses from a station's tiles. Returns the leaves that came. */
  async backfill(source: HttpSource, signal?: AbortSignal): Promise<number> {
    const checkpoint = await source.checkpoint(signal);
    const origin = parseOrigin(checkpoint.origin);
    const follower = origin === null ? undefined : this.followers.get(hex(origin.station));
    if (follower === undefined || checkpoint.size <= follower.size) return 0;
    const { size } = follower;
    const leaves = await source.leaves(size, checkpoint.size, signal);
    const verdicts = follower.fill(leaves, checkpoint);
    if (verdicts.length === 0) throw new Error("the tiles are not those of the signed checkpoint");
    const station = hex(follower.station);
    this.#write(
      provenInputs(follower, leaves, checkpoint),
      verdicts.map((verdict) => ({ station, ...verdict })),
      null,
    );
    return leaves.length;
  }

  /**
   * Follows a station over HTTP until it is stopped, or with `once` until there is nothing more. Faults of the network
   * are told and waited out; with `once` the fifth in a row is thrown.
   */
  async follow(
    source: HttpSource,
    {
      signal,
      once = false,
      onFault,
    }: {
      signal: AbortSignal;
      once?: boolean;
      onFault?: (error: unknown) => void;
    },
  ): Promise<void> {
    let position = this.positionOf(source.url);
    let failures = 0;
    while (!signal.aborted) {
      try {
        const page = await source.pull(position, PAGE, once ? 0 : 20, signal);
        // A station whose outbox was made anew counts from the beginning; what is known is told by its index.
        if (page.last < position) position = 0;
        const gone = page.first > position + 1;
        position = page.messages.at(-1)?.seq ?? position;
        const gaps = this.take(
          page.messages.map(({ envelope }) => envelope),
          { source: source.url, seq: position },
        );
        if (gone || gaps.length > 0) await this.backfill(source, signal);
        failures = 0;
        if (once && page.messages.length === 0) return;
      } catch (error) {
        if (signal.aborted) return;
        onFault?.(error);
        failures++;
        if (once && failures >= 5) throw error;
        await wait(
          Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1)) * (0.5 + Math.random() / 2),
          signal,
        );
      }
    }
  }

  /** How far a source was read and stored. */
  positionOf(source: string): number {
    return this.#options.store?.position(source) ?? 0;
  }

  status() {
    return [...this.followers.values()].map((follower) => follower.status);
  }

  #followerOf(station: Uint8Array): Follower | undefined {
    return this.followers.get(hex(station));
  }

  #isBehind({ size, station }: Follower, verdicts: readonly StationVerdict[]): boolean {
    const of = hex(station);
    return verdicts.some((verdict) => verdict.type === "gap" && verdict.station === of && verdict.to > size);
  }

  #write(
    inputs: readonly Input[],
    verdicts: readonly StationVerdict[],
    position: { source: string; seq: number } | null,
  ): void {
    this.#options.store?.write(
      inputs,
      verdicts.map(({ station, ...verdict }) => ({
        station: Buffer.from(station, "hex"),
        type: verdict.type,
        body: JSON.stringify(verdict),
      })),
      position,
    );
    for (const verdict of verdicts) this.#options.onVerdict(verdict);
  }
}

/** As leaves from tiles: by the checkpoint alone, which is all that they were judged by. */
function provenInputs({ station }: Follower, leaves: readonly Uint8Array[], checkpoint: Checkpoint): Input[] {
  const note = Buffer.from(formatNote(checkpoint.note), "utf8");
  return [
    ...leaves.map((body) => ({ station, kind: INPUT.leaf, body })),
    { station, kind: INPUT.checkpoint, body: note },
  ];
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
