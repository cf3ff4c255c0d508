/** A station that lies, with all that it can send to a federation. */
import { sealEnvelope } from "../../src/emit/envelope.js";
import { Follower, type FollowOptions, type Verdict } from "../../src/emit/follower.js";
import type { Speaker, Statement } from "../../src/emit/statement.js";
import { GST_TO_UNIX } from "../../src/inav/gst.js";
import { parseCheckpoint, signCheckpoint, type Checkpoint } from "../../src/station/checkpoint.js";
import { cosign } from "../../src/station/cosignature.js";
import { decodeLeaf, rotationStatement, type LeafContent } from "../../src/station/leaf.js";
import { leafHash, rootOf } from "../../src/station/merkle.js";
import { formatNote, formatSignature, type VerifierKey } from "../../src/station/note.js";
import { ForgingStation } from "../station/forging-station.js";
import { logKey, type TestKey } from "../station/keys.js";
import { GST, startContent, stationKey, subframeContent } from "../station/leaves.js";
import { witness, witnessName } from "./logs.js";

export const LEAP_SECONDS = 18;
export const unixOf = (gst: number): number => gst + GST_TO_UNIX - LEAP_SECONDS;
export const policy = {
  witnesses: [{ key: witnessName, boundSeconds: 1 }],
  needed: 1,
  marginSeconds: 5,
  leapSeconds: LEAP_SECONDS,
  keyOffsetSeconds: 22,
};

export const lies = (verdicts: readonly Verdict[]) =>
  verdicts.flatMap((verdict) => (verdict.type === "lie" ? [verdict.what] : []));

export class Liar extends ForgingStation {
  /** Signs from now on. */
  signer: TestKey = stationKey;

  constructor(begin = true) {
    super(stationKey);
    if (begin) this.put(startContent());
  }

  override branch(keep: number): Liar {
    const other = new Liar(false);
    for (const bytes of this.bodies.slice(0, keep)) {
      const leaf = decodeLeaf(bytes)!;
      other.put(leaf, leaf);
    }
    other.signer = this.signer;
    return other;
  }

  subframes(from: number, count: number, fill = 1): this {
    for (let at = from; at < from + count; at++) this.put(subframeContent(GST + 30 * at, fill + at));
    return this;
  }

  /** A leaf that says so, both keys signing; the new one signs from then on. */
  async rotate(to: TestKey): Promise<this> {
    this.put(await this.rotation(to));
    this.signer = to;
    return this;
  }

  async rotation(to: TestKey, from = this.signer): Promise<LeafContent> {
    const { station, bodies } = this;
    const said = rotationStatement(
      station,
      bodies.length,
      leafHash(bodies.at(-1)!),
      from.publicKey,
      to.publicKey,
    );
    return {
      ...startContent(),
      kind: "rotation",
      oldKey: from.publicKey,
      newKey: to.publicKey,
      oldSignature: await from.sign(said),
      newSignature: await to.sign(said),
    } as LeafContent;
  }

  override async checkpoint(size = this.bodies.length, by = this.signer): Promise<Checkpoint> {
    const head = { origin: this.origin, size, root: rootOf(size, this.subtree), extensions: [] };
    const key = logKey(this.origin, by);
    return parseCheckpoint(await signCheckpoint(head, [{ key, sign: by.sign }]))!;
  }

  follower(options: Partial<FollowOptions> = {}): Follower {
    return new Follower({ ...policy, key: this.keyOf(this.key), ...options });
  }

  keyOf(key: TestKey): VerifierKey {
    return logKey(this.origin, key);
  }

  say(statement: Statement, speaker: Partial<Speaker> = {}, by = this.signer): Promise<Uint8Array> {
    const honest: Speaker = { purpose: "federation", mode: "live", station: this.station };
    return sealEnvelope({ ...honest, ...speaker }, statement, by);
  }

  leaf(index: number, by = this.signer): Promise<Uint8Array> {
    return this.say({ kind: "leaf", index, leaf: this.bodies[index] }, {}, by);
  }

  async signed(size = this.bodies.length, by = this.signer): Promise<Uint8Array> {
    const { note } = await this.checkpoint(size, by);
    return this.say({ kind: "checkpoint", size, note: Buffer.from(formatNote(note)) }, {}, by);
  }

  async seen(
    gst: number,
    size = this.bodies.length,
    [name, key] = [witnessName, witness] as readonly [VerifierKey, TestKey],
  ): Promise<Uint8Array> {
    const { note } = await this.checkpoint(size);
    const line = await cosign(note.text, Math.floor(unixOf(gst)), name, key.sign);
    return this.say({ kind: "cosignature", size, line: Buffer.from(formatSignature(line).trimEnd()) });
  }

  /** Hands all leaves to a follower, one by one. */
  async tell(follower: Follower, by = this.signer): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (let at = follower.size; at < this.bodies.length; at++)
      verdicts.push(...follower.accept(await this.leaf(at, by)));
    return verdicts;
  }
}
