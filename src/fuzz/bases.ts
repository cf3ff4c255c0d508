/** What fuzzing begins with: this repository's captures, and a bundle of evidence made from one. Edge: reads files. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { givenOf } from "../cli/trust-options.js";
import { buildEvidence, bundleText } from "../evidence/bundle.js";
import type { TrustedRoot } from "../evidence/verify.js";
import { VectorFiles } from "../export/pages.js";
import { CapturePages } from "../export/capture-pages.js";
import { fixesWith } from "../fix/fix-stage.js";
import { Pipeline } from "../pipeline/pipeline.js";
import { loadTrust, type TrustMaterial } from "../trust/material.js";
import type { BaseStream } from "./pipeline-target.js";

const captures = fileURLToPath(new URL("../../captures", import.meta.url));
const trustFile = (name: string): string => join(captures, "trust", `TEST_${name}`);

/** The trust files that a capture names in its header. */
function materialOf(capture: string): TrustMaterial {
  const { trust } = JSON.parse(readFileSync(join(captures, `${capture}.json`), "utf8")) as {
    readonly trust: {
      readonly merkleTree: string[];
      readonly publicKeys: string[];
      readonly rootKey: string | null;
    };
  };
  return loadTrust({
    merkle: trust.merkleTree.map((path) => join(captures, path)),
    publicKey: trust.publicKeys.map((path) => join(captures, path)),
    ...(trust.rootKey === null ? {} : { rootKey: join(captures, trust.rootKey) }),
  });
}

export const XML_FILES = ["OSNMA_MerkleTree_A.xml", "OSNMA_MerkleTree_B.xml", "OSNMA_PublicKey_2.xml"].map(
  (name) => readFileSync(trustFile(name)),
);

/** A part of one of our captures, by fractions of its bytes. */
export function ownBase(name: string, from = 0, to = 1): BaseStream {
  const bytes = readFileSync(join(captures, `${name}.ubx`));
  return {
    name,
    bytes: bytes.subarray(Math.floor(from * bytes.length), Math.floor(to * bytes.length)),
    trust: givenOf(materialOf(name)),
  };
}

/** Somebody's capture under the built-in trust, no more of it than a run can bear. */
export function givenBase(path: string): BaseStream {
  const MAX_BYTES = 1_200_000;
  const bytes = readFileSync(path);
  return {
    name: basename(path),
    bytes: bytes.subarray(0, MAX_BYTES),
    trust: givenOf(loadTrust({ merkle: [], publicKey: [], noTrust: false })),
  };
}

/** The evidence of the last graded fix of a stream, and the root it hangs from. */
export function evidenceText(base: BaseStream): { text: string; roots: TrustedRoot[] } {
  let text: string | null = null;
  const pipeline = new Pipeline(
    {
      ...base.trust,
      mode: "simulated",
      softwareVersion: "fuzz",
      fixes: fixesWith({
        mode: "simulated",
        softwareVersion: "fuzz",
        evidence: (fix, { own, proofs, receiver }) => {
          if (own === null || fix.own?.assurance !== "nav-authenticated") return null;
          const { options, solution } = own.solved;
          const position = {
            rawx: own.rawx,
            solverOptions: options,
            ionosphereFrom: solution.ionosphereFrom,
          };
          const { root, objects } = buildEvidence(fix, { proofs, position, receiver });
          text = bundleText("simulated", root, objects);
          return root;
        },
      }),
    },
    () => undefined,
  );
  pipeline.push(base.bytes);
  pipeline.end();
  if (text === null) throw new Error(`${base.name} gives no graded fix`);
  const roots = materialOf(base.name).roots.map(({ root, hex, standing }) => ({
    root,
    standing,
    label: hex.slice(0, 8),
  }));
  return { text, roots };
}

/** A stream's pages as a test vector. */
export function vectorOf(bytes: Uint8Array): Uint8Array {
  let text = "";
  const files = new VectorFiles((file) => {
    text = [...file.lines()].join("\n");
  });
  const pages = new CapturePages((page, gst, bits) => {
    if (page.band === "E1-B") files.page(page.svid, gst, bits);
  });
  pages.push(bytes);
  pages.end();
  files.end();
  return new TextEncoder().encode(text);
}
