/** A bounded number of places of one kind, and of them so many for one client, so that no client takes all. */
export class Seats {
  readonly #total: number;
  readonly #perClient: number;
  readonly #taken = new Map<string, number>();
  #count = 0;

  constructor(total: number, perClient: number) {
    this.#total = total;
    this.#perClient = perClient;
  }

  /** Takes a seat and returns how to leave it; null where there is none for this client. */
  take(client: string): (() => void) | null {
    const own = this.#taken.get(client) ?? 0;
    if (this.#count >= this.#total || own >= this.#perClient) return null;
    this.#count++;
    this.#taken.set(client, own + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#count--;
      const rest = this.#taken.get(client)! - 1;
      if (rest === 0) this.#taken.delete(client);
      else this.#taken.set(client, rest);
    };
  }
}
