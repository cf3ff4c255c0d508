/** A start that fails leaves nothing behind in the station's log, which keeps everything. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { decodeLeaf } from "../../src/station/leaf.js";
import { startBench } from "./support.js";

it("starts that failed are not in the station's log", async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), "osnmad-failed-start-"));
  const holder = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => holder.once("listening", listening));
  const { port } = holder.address() as AddressInfo;
  const start = (config: Record<string, unknown>) =>
    startBench({
      dataDirectory,
      config: { "receiver.port": "/nonexistent/port", ...config },
    });
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(start({ "http.port": port })).rejects.toMatchObject({ code: "OSN_LISTEN_FAILED" });
    }
    await expect(start({ "emit.prover_push": ["http://example.org/x token"] })).rejects.toMatchObject({
      code: "OSN_CONFIG_INVALID",
    });
    const bench = await start({});
    const { log } = bench.daemon.station!;
    const kinds = log.leaves(0, 100).map((leaf) => decodeLeaf(leaf)?.kind);
    await bench.stop();
    expect(kinds).toEqual(["start"]);
  } finally {
    holder.close();
    rmSync(dataDirectory, { recursive: true });
  }
});
