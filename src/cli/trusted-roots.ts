/** The Merkle roots that a judge of evidence trusts. */
import type { TrustedRoot } from "../evidence/verify.js";
import { rootFact } from "../trust/facts.js";
import { loadTrust } from "../trust/material.js";

/** Without a tree file the built-in operational roots; a trust store of this machine has no say. */
export function trustedRoots(merkle: string[] | undefined): TrustedRoot[] {
  const material = loadTrust({ merkle, stateDir: null });
  return material.roots.map(({ root, hex, standing }) => ({
    root,
    standing,
    label: `${rootFact(hex)?.label ?? "an unknown Merkle tree"} (${hex.slice(0, 8).toUpperCase()})`,
  }));
}
