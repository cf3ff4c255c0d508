import { CONFIG_KEYS, configItem, encodeMessage } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import { UbxClient } from "../../src/receiver/ubx-client.js";
import { OsnmadError } from "../../src/errors.js";
import { sky } from "../simulate/receiver/host.js";
import { bench, ScriptedLink } from "./support.js";

const SFRBX = "CFG-MSGOUT-UBX_RXM_SFRBX_USB";
const PVT = "CFG-MSGOUT-UBX_NAV_PVT_USB";
const ack = (msgID = 0x8a): Uint8Array => encodeMessage("ACK-ACK", { clsID: 6, msgID });
const nak = (msgID = 0x8a): Uint8Array => encodeMessage("ACK-NAK", { clsID: 6, msgID });
const version = encodeMessage("MON-VER", {
  swVersion: "EXT CORE 1.00",
  hwVersion: "00190000",
  extension: [],
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    if (error instanceof OsnmadError) return error.code;
    throw error;
  }
}

describe("a client of a receiver", () => {
  it("asks, sets and reads while the stream flows", async () => {
    const { client, receiver, pass } = bench({
      feed: sky(),
      flash: new Map([
        [SFRBX, 1],
        [PVT, 1],
      ]),
    });
    pass(3000);
    expect((await client.poll("MON-VER")).extension).toContain("MOD=ZED-F9P");
    const setting = client.valset([{ key: "CFG-RATE-NAV", value: 2 }], ["ram"]);
    pass(1000);
    expect(await setting).toBe("ack");
    expect(receiver.setting("CFG-RATE-NAV")).toBe(2);
    expect(await client.valget([SFRBX, "CFG-SIGNAL-GAL_ENA"], "ram")).toEqual(
      new Map<string, unknown>([
        [SFRBX, 1],
        ["CFG-SIGNAL-GAL_ENA", true],
      ]),
    );
    expect(await client.valset([{ key: "CFG-SIGNAL-GAL_E6_ENA", value: true }], ["ram"])).toBe("nak");
    expect(await client.valget(["CFG-SIGNAL-GAL_E6_ENA"], "ram")).toBe("nak");
    // Nothing is stored there but what the receiver had in flash.
    expect(await client.valget(["CFG-RATE-NAV"], "flash")).toBe("nak");
    expect(await client.valget([SFRBX], "flash")).toEqual(new Map([[SFRBX, 1]]));
    expect(await client.valdel([SFRBX], ["flash"])).toBe("ack");
    expect(await client.valget([SFRBX], "flash")).toBe("nak");
  });

  it("sends requests one after the other, however many are asked for", async () => {
    const link = new ScriptedLink();
    const client = new UbxClient(link, { timeoutMs: 2000 });
    const results = Promise.all([
      client.valset([{ key: SFRBX, value: 1 }], ["ram"]),
      client.valset([{ key: PVT, value: 1 }], ["ram"]),
      client.poll("MON-VER"),
    ]);
    await Promise.resolve();
    await Promise.resolve();
    expect(link.written.length).toBe(1);
    link.push(nak());
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(link.written.length).toBe(2);
    link.push(ack());
    await new Promise((resolve) => setTimeout(resolve, 5));
    link.push(version);
    expect((await results).slice(0, 2)).toEqual(["nak", "ack"]);
  });

  it("repeats a request whose acknowledgement was lost", async () => {
    const { client, receiver, link } = bench();
    receiver.fault({ do: "drop-acks", count: 1 }, 0);
    expect(await client.valset([{ key: SFRBX, value: 1 }], ["ram"])).toBe("ack");
    expect(link.written.length).toBe(2);
    expect(receiver.setting(SFRBX)).toBe(1);
  });

  it("gives a late acknowledgement to nobody else", async () => {
    const link = new ScriptedLink();
    const client = new UbxClient(link, { timeoutMs: 30, attempts: 1 });
    // The answer to the first request comes after it was given up, while the second is under way.
    expect(await codeOf(client.valset([{ key: SFRBX, value: 1 }], ["ram"]))).toBe("OSN_RECEIVER_SILENT");
    link.onWrite = (bytes) => {
      if (bytes[2] === 0x0a) {
        queueMicrotask(() => {
          link.push(ack());
          link.push(version);
        });
      } else
        queueMicrotask(() => {
          link.push(nak());
        });
    };
    expect(await client.valset([{ key: PVT, value: 1 }], ["ram"])).toBe("nak");
    // The question in between is asked once.
    expect(link.written.map((bytes) => bytes[2])).toEqual([6, 0x0a, 6]);
  });

  it("takes no answer that is for another layer, another key, or another message", async () => {
    const link = new ScriptedLink();
    const client = new UbxClient(link, { timeoutMs: 2000 });
    const value = client.valget([SFRBX], "ram");
    await new Promise((resolve) => setTimeout(resolve, 5));
    const answer = (layer: number, key: number): Uint8Array =>
      encodeMessage("CFG-VALGET", { version: 1, layer, position: 0, cfgData: [{ key, value: 7 }] });
    link.push(answer(2, CONFIG_KEYS[SFRBX].id));
    link.push(answer(0, CONFIG_KEYS[PVT].id));
    link.push(nak(0x8a));
    link.push(encodeMessage("ACK-NAK", { clsID: 0x0a, msgID: 0x8b }));
    link.push(
      encodeMessage("CFG-VALSET", { version: 0, layers: { ram: true }, cfgData: [configItem(SFRBX, 9)] }),
    );
    const good = answer(0, CONFIG_KEYS[SFRBX].id);
    const damaged = good.slice();
    damaged[14] ^= 1;
    link.push(damaged);
    link.push(good);
    expect(await value).toEqual(new Map([[SFRBX, 7]]));
  });

  it("says that a receiver is silent, and that the link is gone", async () => {
    const link = new ScriptedLink();
    const client = new UbxClient(link, { timeoutMs: 5, attempts: 2 });
    expect(await codeOf(client.poll("MON-VER"))).toBe("OSN_RECEIVER_SILENT");
    expect(link.written.length).toBe(2);
    const waiting = client.poll("MON-VER", { timeoutMs: 5000 });
    setTimeout(() => {
      link.end(new OsnmadError("OSN_LINK_LOST", "gone"));
    }, 5);
    expect(await codeOf(waiting)).toBe("OSN_LINK_LOST");
    expect(await codeOf(client.poll("MON-VER"))).toBe("OSN_LINK_LOST");
    expect(link.written.length).toBe(3);
  });

  it("is not disturbed by a write that fails after its answer has come", async () => {
    const link = new ScriptedLink();
    const client = new UbxClient(link, { timeoutMs: 2000, attempts: 1 });
    const failures: ((why: Error) => void)[] = [];
    link.write = () => new Promise((_, reject) => failures.push(reject));
    const first = client.poll("MON-VER");
    await new Promise((resolve) => setTimeout(resolve, 5));
    link.push(version);
    await first;
    const second = client.poll("MON-VER");
    await new Promise((resolve) => setTimeout(resolve, 5));
    failures[0](new Error("late"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    link.push(version);
    expect((await second).name).toBe("MON-VER");
  });

  it("survives any bytes for an answer", async () => {
    const { client, link } = bench();
    let state = 7;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647);
    for (let i = 0; i < 40; i++) {
      const asking = client.valget([SFRBX, PVT], "ram");
      link.push(Uint8Array.from({ length: random() % 300 }, () => random() & 0xff));
      expect(await asking).not.toBe("nak");
    }
  });
});
