/**
 * The Galileo OSNMA Merkle root and public keys as facts, with their validity.
 *
 * They were copied from product files of the European GNSS Service Centre (GSC) and checked here against
 * each other (the Merkle proofs) and against the sky (signatures of recorded DSM-KROOTs). That is no
 * substitute for your own look: compare the operational root with what GSC publishes to registered users
 * (https://www.gsc-europa.eu, "GSC products", "OSNMA_MerkleTree" and "OSNMA_PublicKey") before you rely on it.
 *
 * A key is named by (root, PKID), never by PKID alone: "PKID 1" has been at least four different points.
 */
import type { KeyType } from "../osnma/ecdsa.js";
import { bytesOfHex } from "./hex.js";
import { leafNode } from "./tree-proof.js";
import type { TreeKey, TreeNode } from "./tree-proof.js";

/**
 * `operational`: the root Galileo signs under today; trusted unless told otherwise.
 * `historic`: signed real signals once; shown, recognised, never trusted by itself.
 * `test`: test vectors and everything unknown; trusted only when given explicitly.
 */
export type RootStanding = "operational" | "historic" | "test";

/** From when to when GSC declares an item applicable, UTC; null where nothing is said. */
export interface Applicability {
  readonly begin: string | null;
  readonly end: string | null;
}

export interface KeyFact extends TreeKey {
  readonly type: KeyType;
  readonly state: string;
  readonly applicability: Applicability;
  /** Date of the GSC file the fact was read from, null where not known. */
  readonly issueDate: string | null;
  readonly source: string;
}

export interface RootFact {
  readonly root: Uint8Array;
  readonly hex: string;
  readonly label: string;
  readonly standing: RootStanding;
  readonly applicability: Applicability;
  readonly source: string;
  readonly keys: readonly KeyFact[];
  /** Nodes of the tree known besides the root, leaves of the keys included; test/trust proves them. */
  readonly nodes: readonly TreeNode[];
}

const RAW: readonly {
  hex: string;
  label: string;
  standing: RootStanding;
  begin: string | null;
  end: string | null;
  source: string;
  keys: readonly {
    i: number;
    pkid: number;
    type: KeyType;
    point: string;
    state: string;
    begin: string | null;
    end: string | null;
    issueDate: string | null;
    source: string;
  }[];
  nodes: readonly (readonly [j: number, i: number, x: string])[];
}[] = [
  {
    hex: "832E15EDE55655EAC6E399A539477B7C034CCE24C3C93FFC904ACD9BF842F04E",
    label: "Galileo operational Merkle tree",
    standing: "operational",
    begin: "2024-01-15T10:00:00Z",
    end: null,
    source: "GSC OSNMA_MerkleTree, issues 2024-01-15T10:00:00Z and 2025-12-09T09:59:56Z",
    keys: [
      {
        i: 0,
        pkid: 1,
        type: "P-256",
        point: "0397EB43789AA0F6D052A638468ECF5278E6F6DF8465ECB8D8B84B8C7A3501F73B",
        state: "Renewed",
        begin: "2024-01-15T10:00:00Z",
        // The file names no end; it ends where its successor begins.
        end: "2025-12-10T10:00:00Z",
        issueDate: "2024-01-15T10:00:00Z",
        source: "GSC OSNMA_PublicKey, issue 2024-01-15T10:00:00Z; end: public key renewal to PKID 2",
      },
      {
        i: 1,
        pkid: 2,
        type: "P-256",
        point: "02219204B5CA6C46B623EEED6CDD2CDDB1F7D6A7532767E5B8DA0DE1EBD695FC99",
        state: "Applicable",
        begin: "2025-12-10T10:00:00Z",
        end: null,
        issueDate: "2025-12-09T09:59:56Z",
        source: "GSC OSNMA_MerkleTree, issue 2025-12-09T09:59:56Z (there: Future)",
      },
    ],
    nodes: [
      [0, 0, "7B944FA20915C7931D48DD016D94F9C6381FD37DC6C125D97015272FDDE41393"],
      [1, 1, "6AAFDE28017BF0744D42819CE40E3A0CDA1ECA3F7A4EA67E134E7AA714C1E843"],
      [2, 1, "DE73D209E4C5BCDC34CD117F2FE40FD08B110009997AD2B3291D3A2CF29943F9"],
      [3, 1, "84DE3669E6DA551292979E5B8D045787FA967C57CC23638A30237614EDD9171A"],
    ],
  },
  {
    hex: "0E63F552C8021709043C239032EFFE941BF22C8389032F5F2701E0FBC80148B8",
    label: "Galileo Merkle tree of the public observation test phase, 2023",
    standing: "historic",
    begin: "2023-08-03T11:00:00Z",
    end: "2024-01-15T10:00:00Z",
    source: "GSC OSNMA_MerkleTree of 2023; dates of use from recorded signals, to the day",
    // No file of this tree with its nodes was at hand: the leaves are those the PKIDs have had in every tree
    // seen (leaf = PKID - 1), the days without an hour are sightings.
    keys: [
      {
        i: 0,
        pkid: 1,
        type: "P-256",
        point: "0374A925CFA0FF1805E5C5A58FDBA31BF0145D5B5BE2F062D3F8BB2EE98F0F6DB0",
        state: "Renewed",
        begin: "2023-08-03T11:00:00Z",
        end: "2023-12-15T00:00:00Z",
        issueDate: "2023-08-03T10:59:53Z",
        source: "GSC OSNMA_PublicKey, issue 2023-08-03T10:59:53Z",
      },
      {
        i: 1,
        pkid: 2,
        type: "P-256",
        point: "033578E5C711A9C3BDDD1CA4EE85F7C51B367897CB40B88568A0C897DA30EFB7C3",
        state: "Renewed",
        begin: "2023-12-15T00:00:00Z",
        end: "2024-01-15T10:00:00Z",
        issueDate: null,
        source: "GSC OSNMA_PublicKey of December 2023; verifies the DSM-KROOT of WN 1269",
      },
    ],
    nodes: [],
  },
  {
    hex: "A10C440F3AA62453526DB4AF76DF8D9410D35D8277397D7053C700D192702B0D",
    label: "GSC OSNMA test vectors, first tree",
    standing: "test",
    begin: null,
    end: null,
    source: "GSC OSNMA test vectors 2023; never signed a real signal",
    keys: [],
    nodes: [],
  },
  {
    hex: "259B5243FEA8338253C28A05D8BD5DB04180C3F59A3027E391BF2B6E1AC3509B",
    label: "GSC OSNMA test vectors, tree of the Merkle tree renewal",
    standing: "test",
    begin: null,
    end: null,
    source: "GSC OSNMA test vectors 2023 (nmt); never signed a real signal",
    keys: [],
    nodes: [],
  },
];

/** Every root known by itself, operational ones first. */
export const ROOT_FACTS: readonly RootFact[] = RAW.map((raw) => {
  const keys = raw.keys.map((key) => ({
    i: key.i,
    pkid: key.pkid,
    type: key.type,
    point: literal(key.point),
    state: key.state,
    applicability: { begin: key.begin, end: key.end },
    issueDate: key.issueDate,
    source: key.source,
  }));
  const listed = raw.nodes.map(([j, i, x]) => ({ j, i, x: literal(x) }));
  return {
    root: literal(raw.hex),
    hex: raw.hex.toLowerCase(),
    label: raw.label,
    standing: raw.standing,
    applicability: { begin: raw.begin, end: raw.end },
    source: raw.source,
    keys,
    nodes: [...listed, ...keys.map(leafNode)],
  };
});

/** What is known of the root with this lower-case hex, or null. */
export function rootFact(hex: string): RootFact | null {
  return ROOT_FACTS.find((fact) => fact.hex === hex) ?? null;
}

/** A root nobody told us about is a test root. */
export function standingOf(hex: string): RootStanding {
  return rootFact(hex)?.standing ?? "test";
}

function literal(hex: string): Uint8Array {
  const bytes = bytesOfHex(hex);
  if (bytes === null) throw new TypeError("a fact is not hexadecimal");
  return bytes;
}
