/** The host's end of a virtual receiver, without any process: frames in, decoded messages out. */
import type { ConfigKeyName, MessageInput, MessageName, RawMessage, UbxMessage } from "gnss-ubx";
import { CONFIG_KEYS, configItem, decodeMessage, encodeFrame, encodeMessage, Framer } from "gnss-ubx";
import { feedOf } from "../../../src/simulate/receiver/feed.js";
import type { VirtualReceiverOptions } from "../../../src/simulate/receiver/receiver.js";
import { VirtualReceiver } from "../../../src/simulate/receiver/receiver.js";
import { parametrisedScenario, Simulation } from "../../../src/simulate/scenario.js";
import { ubxFrames } from "../../../src/simulate/ubx-stream.js";

/** A short nominal sky; a new feed each time. */
export function sky(subframes = 4, nmea = true): ReturnType<typeof feedOf> {
  const { options } = parametrisedScenario({ seed: "virtual receiver", subframes });
  return feedOf(ubxFrames(new Simulation(options), { rawx: true, nmea }));
}

export type Heard = UbxMessage | RawMessage;

export class Host {
  readonly receiver: VirtualReceiver;
  readonly framer = new Framer();
  nowMs = 0;

  constructor(options: Partial<VirtualReceiverOptions> = {}) {
    this.receiver = new VirtualReceiver({ model: "F9P", feed: [], ...options });
  }

  /** All that comes in the next milliseconds. */
  listen(
    milliseconds: number,
    hostReads = true,
  ): { readonly messages: Heard[]; readonly sentences: string[] } {
    this.nowMs += milliseconds;
    return this.decode(this.receiver.advance(this.nowMs, hostReads));
  }

  decode(bytes: Uint8Array): { readonly messages: Heard[]; readonly sentences: string[] } {
    const messages: Heard[] = [];
    const sentences: string[] = [];
    this.framer.push(bytes, {
      ubx: (messageClass, id, payload) => {
        messages.push(decodeMessage(messageClass, id, payload));
      },
      nmea: (line) => {
        sentences.push(Buffer.from(line).toString("latin1").trim());
      },
    });
    return { messages, sentences };
  }

  send(frame: Uint8Array): Heard[] {
    this.receiver.receive(frame, this.nowMs);
    // A UART takes its time.
    return this.listen(this.receiver.port === "UART1" ? 300 : 0).messages;
  }

  ask<N extends MessageName>(name: N, values: MessageInput<N>): Heard[] {
    return this.send(encodeMessage(name, values));
  }

  poll(messageClass: number, id: number): Heard[] {
    return this.send(encodeFrame(messageClass, id, new Uint8Array(0)));
  }

  /** CFG-VALSET; whether it was acknowledged. */
  set(
    values: Partial<Record<ConfigKeyName, number | boolean>>,
    layers: { ram?: boolean; bbr?: boolean; flash?: boolean } = { ram: true },
  ): boolean {
    const cfgData = Object.entries(values).map(([key, value]) =>
      configItem(key as ConfigKeyName, value as never),
    );
    return acknowledged(this.ask("CFG-VALSET", { version: 0, layers, cfgData }), 0x8a);
  }

  /** CFG-VALGET of layer 0 RAM, 1 BBR, 2 flash, 7 default: the answered values by key id, null for NAK. */
  get(keys: readonly (ConfigKeyName | number)[], layer = 0, position = 0): Map<number, number> | null {
    const answers = this.ask("CFG-VALGET", {
      version: 0,
      layer,
      position,
      keys: keys.map((key) => (typeof key === "number" ? key : CONFIG_KEYS[key].id)),
    });
    if (!acknowledged(answers, 0x8b)) return null;
    const [answer] = answers;
    if (answer.name !== "CFG-VALGET" || answer.version !== 1) throw new Error("no answer before the ACK");
    return new Map(answer.cfgData.map(({ key, value }) => [key, Number(value)]));
  }
}

/** Whether the last of the answers is ACK-ACK (true) or ACK-NAK (false) of a CFG message. */
export function acknowledged(answers: readonly Heard[], id: number): boolean {
  const last = answers.findLast(({ name }) => name === "ACK-ACK" || name === "ACK-NAK");
  if (last?.name !== "ACK-ACK" && last?.name !== "ACK-NAK") throw new Error("not acknowledged at all");
  if (last.clsID !== 0x06 || last.msgID !== id) throw new Error("another message is acknowledged");
  return last.name === "ACK-ACK";
}

export function names(messages: readonly Heard[]): string[] {
  return messages.map((message) => message.name);
}
