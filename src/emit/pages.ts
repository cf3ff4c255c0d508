/**
 * Pages of an outbox for those who come and ask, bounded by bytes and made in small pieces. The second form is signed
 * when it is asked for, once for each message. Edge.
 */
import { keyIdOf, openEnvelope, sealJws } from "./envelope.js";
import type { Emission } from "./emission.js";
import type { FairDesk } from "./fair-desk.js";
import type { OutboxMessage } from "./outbox.js";
import { bytesEqual } from "../station/merkle.js";
import type { Purpose } from "./statement.js";

export type Form = "cose" | "jws";

/** Bytes of envelopes in a page, but always one message. */
export const PAGE_BYTES = 1 << 18;
/** Messages in a page of the second form. */
export const JWS_PER_PAGE = 64;
/** Messages in one piece of work: those to be signed, and those to be copied. */
const PIECE: Readonly<Record<Form, number>> = { jws: 4, cose: 64 };
const MAX_CACHED_CHARACTERS = 1 << 23;

export interface PageOrder {
  readonly purpose: Purpose;
  readonly after: number;
  readonly limit: number;
  readonly form: Form;
  /** Whose turn it takes. */
  readonly client: string;
}

export class Pages {
  readonly #emission: Emission;
  readonly #desk: FairDesk;
  /** Signed forms of messages for federations, by number; the oldest signed go first. */
  readonly #signed = new Map<number, string>();
  #characters = 0;

  constructor(emission: Emission, desk: FairDesk) {
    this.#emission = emission;
    this.#desk = desk;
  }

  async make({ purpose, after, limit, form, client }: PageOrder): Promise<Record<string, unknown>[]> {
    const { outbox } = this.#emission;
    const most = form === "jws" ? Math.min(limit, JWS_PER_PAGE) : limit;
    const messages = await this.#desk.do(client, () => outbox.after(purpose, after, most, PAGE_BYTES));
    const made: Record<string, unknown>[] = [];
    while (made.length < messages.length) {
      const piece = messages.slice(made.length, made.length + PIECE[form]);
      made.push(
        ...(await this.#desk.do(client, () =>
          Promise.all(piece.map((message) => this.#json(purpose, message, form))),
        )),
      );
    }
    return made;
  }

  async #json(
    purpose: Purpose,
    { seq, key, envelope }: OutboxMessage,
    form: Form,
  ): Promise<Record<string, unknown>> {
    const jws = form === "jws" ? await this.#jws(purpose, seq, envelope) : null;
    if (jws !== null) return { seq, key, jws };
    return {
      seq,
      key,
      ...(form === "jws" ? { jws } : {}),
      envelope: Buffer.from(envelope).toString("base64"),
    };
  }

  /** Null for what an earlier key of the station sealed: it is gone, and the present one did not speak then. */
  async #jws(purpose: Purpose, seq: number, envelope: Uint8Array): Promise<string | null> {
    const known = purpose === "federation" ? this.#signed.get(seq) : undefined;
    if (known !== undefined) return known;
    const { signer } = this.#emission.log;
    const opened = openEnvelope(envelope);
    if (opened === null || !bytesEqual(opened.keyId, keyIdOf(signer.publicKey))) return null;
    const jws = await sealJws(opened, opened.statement, signer);
    if (purpose === "federation") this.#keep(seq, jws);
    return jws;
  }

  #keep(seq: number, jws: string): void {
    this.#signed.set(seq, jws);
    this.#characters += jws.length;
    for (const [oldest, text] of this.#signed) {
      if (this.#characters <= MAX_CACHED_CHARACTERS) break;
      this.#signed.delete(oldest);
      this.#characters -= text.length;
    }
  }
}
