/** What outlasts a process, a key or a consumer. */
import { Command } from "commander";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { registerEmission } from "../../src/cli/commands/emission.js";
import { registerKey } from "../../src/cli/commands/key.js";
import { stationFolder } from "../../src/cli/live-station.js";
import type { Transport } from "../../src/emit/delivery.js";
import { Delivery } from "../../src/emit/delivery.js";
import { Emission, type ConsumerOptions } from "../../src/emit/emission.js";
import { isSealedBy, openEnvelope } from "../../src/emit/envelope.js";
import { Follower } from "../../src/emit/follower.js";
import { OUTBOX_FILE, Outbox } from "../../src/emit/outbox.js";
import { emit, fill } from "./emitting.js";
import { testFolder } from "./folder.js";
import { addSubframes, openLog } from "./logs.js";

const prover = (name: string): ConsumerOptions => ({ name, purpose: "prover", transport: null });

async function command(register: typeof registerKey, ...args: string[]): Promise<string> {
  const program = new Command().exitOverride();
  let text = "";
  const io = {
    out: (more: string) => {
      text += more;
    },
    err: () => undefined,
  };
  register(program, io);
  await program.parseAsync(args, { from: "user" });
  return text;
}

describe("a rotation of the key", () => {
  it("comes after all that the old key is to speak for, though the daemon died before it did", async () => {
    const data = testFolder();
    const directory = stationFolder(data, "live");
    const log = openLog(directory);
    const { key } = log;
    const emission = new Emission({ log, directory, consumers: [prover("p")], flush: false });
    await addSubframes(log, 0, 3);
    emission.notify();
    await emission.taken();
    await emission.close();
    // Signed and on disk, and then the process died; the last leaf not even signed.
    await addSubframes(log, 3, 5);
    log.begin({
      softwareVersion: "0.0.0-test",
      time: { assurance: "none", boundMs: null },
      receiver: log.history!.receiver,
    });
    log.close();
    const rotate = (): Promise<string> => command(registerKey, "key", "rotate", "--data-dir", data);
    // Only a station signs, which asks its witnesses before.
    await expect(rotate()).rejects.toMatchObject({ code: "OSN_USAGE" });
    const next = openLog(directory);
    expect(next.key).toEqual(key);
    await next.sign();
    next.close();
    const printed = await rotate();
    const after = openLog(directory);
    expect(printed).not.toContain(Buffer.from(key.publicKey).toString("base64"));
    const again = new Emission({ log: after, directory, consumers: [prover("p")], flush: false });
    await addSubframes(after, 8, 1);
    again.notify();
    await again.taken();
    const follower = new Follower({
      key,
      witnesses: [],
      needed: 1,
      marginSeconds: 5,
      leapSeconds: 18,
      keyOffsetSeconds: 0,
    });
    const verdicts = again.outbox
      .after("federation", 0, 1000)
      .flatMap(({ envelope }) => follower.accept(envelope));
    expect(verdicts.filter(({ type }) => type === "lie" || type === "gap")).toEqual([]);
    expect(follower.size).toBe(after.size);
    const opened = again.outbox.after("prover", 0, 1000).map(({ envelope }) => openEnvelope(envelope)!);
    const old = opened.filter(({ statement }) => statement.kind === "openings" && statement.index < 9);
    expect(old.length).toBe(8);
    expect(old.every((envelope) => isSealedBy(envelope, key.publicKey))).toBe(true);
    await again.close();
    after.close();
  });
});

describe("a prover that is configured no more", () => {
  it("holds up nothing, and what was kept for it goes; one that was only renamed loses nothing", async () => {
    const directory = testFolder();
    const { emission, log } = emit(directory, { consumers: [prover("old"), prover("p")] });
    await fill(emission);
    const last = emission.outbox.lastSeq("prover");
    emission.outbox.advance("p", last);
    await emission.close();
    const renamed = new Emission({
      log,
      directory,
      flush: false,
      consumers: [prover("new"), prover("p")],
    });
    await renamed.taken();
    expect(renamed.outbox.state("new")).toMatchObject({ seq: 0, backlog: last });
    expect(renamed.status().consumers).toContainEqual(
      expect.objectContaining({ consumer: "old", state: "unconfigured", backlog: last }),
    );
    renamed.outbox.advance("new", last);
    renamed.notify();
    await renamed.taken();
    expect(renamed.outbox.firstSeq("prover")).toBe(last + 1);
    await renamed.close();
  });

  it("leaves nothing private behind where it was the only one", async () => {
    const directory = testFolder();
    const { emission, log } = emit(directory, { consumers: [prover("p")] });
    await fill(emission);
    // That of the first subframe is all zeros.
    const secret = Buffer.from(log.openings(3)!.secret);
    await emission.close();
    expect(readFileSync(join(directory, OUTBOX_FILE)).includes(secret)).toBe(true);
    const without = new Emission({ log, directory, flush: false, consumers: [] });
    await without.taken();
    expect(without.outbox.after("prover", 0, 1)).toEqual([]);
    await without.close();
    expect(readFileSync(join(directory, OUTBOX_FILE)).includes(secret)).toBe(false);
  });

  it("is forgotten by a command", async () => {
    const data = testFolder();
    const directory = stationFolder(data, "live");
    const log = openLog(directory);
    const emission = new Emission({ log, directory, consumers: [prover("p"), prover("q")], flush: false });
    await fill(emission);
    const last = emission.outbox.lastSeq("prover");
    emission.outbox.advance("q", 5);
    await emission.close();
    log.close();
    const list = () => command(registerEmission, "emission", "list", "--data-dir", data);
    expect(await list()).toMatch(
      new RegExp(`^prover +p  has 0, ${last} wait\nprover +q  has 5, ${last - 5} wait\n$`),
    );
    const forget = (name: string) =>
      command(registerEmission, "emission", "forget", name, "--data-dir", data);
    expect(await forget("p")).toContain("5 messages for provers were deleted");
    await expect(forget("p")).rejects.toMatchObject({ code: "OSN_USAGE" });
    expect(await forget("q")).toContain(`${last - 5} messages`);
    expect(await list()).toBe("");
  });

  it("begins anew where it is forgotten while it is still pushed to", async () => {
    const outbox = new Outbox({ directory: testFolder(), flush: false });
    const got: number[] = [];
    const transport: Transport = {
      send: (batch) => {
        got.push(...batch.map(({ seq }) => seq));
        outbox.forget("c");
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    const put = (key: string) => outbox.put([{ purpose: "federation", key, envelope: Uint8Array.of(1) }]);
    put("a/1");
    const delivery = new Delivery({ outbox, consumer: "c", purpose: "federation", transport });
    await delivery.settled();
    put("a/2");
    await delivery.settled();
    expect(got).toEqual([1, 2]);
    await delivery.close();
    outbox.close();
  });
});
