/**
 * Worked examples of OSNMA: broadcast in WN 1385 (2026-03-09), from the official test vectors (WN 1248 and 1258),
 * and from the annex of the test phase (WN 1144 and 1145).
 */
import type { ChainParameters } from "../../src/osnma/dsm-kroot.js";

export function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/[\s|]/g, ""), "hex"));
}

export function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

export function flipBit(value: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(value);
  copy[bit >> 3] ^= 0x80 >> (bit & 7);
  return copy;
}

export const gst = (wn: number, tow: number): number => wn * 604_800 + tow;

const CURRENT = { hash: "SHA-256", mac: "HMAC-SHA-256", keyBits: 128, tagBits: 40, maclt: 34 } as const;
export const LIVE: ChainParameters = { ...CURRENT, alpha: bytes("c5efe33668f2") };
export const CONFIGURATION_2: ChainParameters = { ...CURRENT, alpha: bytes("610bdf26d77b") };
export const TEST_PHASE: ChainParameters = { ...CURRENT, alpha: bytes("25d3964da3a2") };

export const ROOT_LIVE = bytes("832e15ede55655eac6e399a539477b7c034cce24c3c93ffc904acd9bf842f04e");
export const ROOT_A = bytes("A10C440F3AA62453526DB4AF76DF8D9410D35D8277397D7053C700D192702B0D");
export const ROOT_B = bytes("259B5243FEA8338253C28A05D8BD5DB04180C3F59A3027E391BF2B6E1AC3509B");

export const LIVE_KEY = bytes("02219204b5ca6c46b623eeed6cdd2cddb1f7d6a7532767e5b8da0de1ebd695fc99");
export const LIVE_KROOT = bytes(`
  22504922056927c5efe33668f2 698599523f6b23cdef4cf7ed17 16a64a4dd119c6008aa7b49b01
  7d4187c0ec6f53c7f99c44f092 1b2c5247900167104824bd9567 709570466393558ba8db13a506
  e0a3fc73caa7ac1b3f8555a1e0 f5db926acc353664b181ff9dbd`);
export const LIVE_HEADER = 0x92;

/** The proof of public key 2 under the operational tree, as DSM-PKR. */
export const LIVE_PKR = bytes(`71
  7B944FA20915C7931D48DD016D94F9C6381FD37DC6C125D97015272FDDE41393
  6AAFDE28017BF0744D42819CE40E3A0CDA1ECA3F7A4EA67E134E7AA714C1E843
  DE73D209E4C5BCDC34CD117F2FE40FD08B110009997AD2B3291D3A2CF29943F9
  84DE3669E6DA551292979E5B8D045787FA967C57CC23638A30237614EDD9171A
  1202219204b5ca6c46b623eeed6cdd2cddb1f7d6a7532767e5b8da0de1ebd695fc99 f9a1f1c2c57e`);

/** pkrev_step1, header da, TOW 548610: P-521. */
export const P521_KROOT = bytes(
  "7990492204ea9ab47bd0bc52c2afb0a45eb018c354d0b9cd7b7bc4cf38018f19c39220ec0668506488bc21da37d236c5a8e5ba5df89c446ed6248fae5d806c9ef4aaac2e140aeaba6631a094b453540def9b927870cbb7a804464005b67562018502867d84d16dc88dda0f287a453a6af8313672a3b78c55654905cea6d8b0a8e37635c1ebf814b315dd5b321864c2dfbf661d1c2c5bdc208140e810ffba4d795c6ec2242cf955ed87",
);
export const P521_PKR = bytes(
  "a890938f4bc2c7967af526090094f30df44e10987422dd26d351df3c17dc63066a48910e560df48615dfba7ad8f20e953bee15844994182e215ddc9b628bb7c6da3ce12b1d83948031c682177ccc9ff5d929a7bed5bcef61c2e31e06d41f18c776601bcfc32e2cc7daa0fce303988152a3d111accd8d7bbc8221b7ecaf1f19e5f93903004be2d894fca1c3585db7fc4d29eb695e41e366b1039cc4637e6814216d34eae874ff6652c49be054ef2e9d229bdd03048039b40d230ffc7671e766b7420af22eeec86a8ffccbd2b3fcac7fcb",
);
export const P521_HEADER = 0xda;

/** configuration_2, TOW 345630, header 82. */
export const CONFIGURATION_2_PKR = bytes(
  "717cbe05d9970cfc9e22d0a43a340ef557624453a2e821aadeac989c405d78ba06956380bab0d2c939ec6208151040ccffcf1fb7156178fd1255ba0aecaaa253f7407b6c5dd4df059ff8789474061301e1c34881db7a367a913a3674300e21eab124ef508389b7d446c3e2ece8d459fbbd3239a794906f5b1f92469c640164fd87120303b2ce64bc207bdd8bc4df859187fcb686320d63ffa091410fc158fbb77980eab8884c0d33d6",
);
export const CONFIGURATION_2_KROOT = bytes(
  "2210492204e060610bdf26d77b5bf8c9cbfcf70422081475fd445df0fff8cd88299fa4605800207bfebeac55024053f30f7c69b35c15e60800ac3b6fe3ed0639952f7b028d86867445961ffe94fb226bff7006e0c451ee3f8728c177fb5e130da4b44bbe7ec29522",
);
export const CONFIGURATION_2_HEADER = 0x82;

/** oam_step1, TOW 587730, header ee: an alert message. */
export const ALERT_PKR = bytes(
  "7f00d7f425160535ca76eb2304fc55414d4773283d468f6ed0e20a6e64c2b16b9586d36f99eab4589a712a36989f3b58d6e91c944fed00cd1ebd3b8ba7a3f7f4a6b183522f796fda77e8fb2b84285e5c14689aafd150135329505caee3e5ac3fbe1b668c4b1580b95487b45f276c0e11c91f5355a44a32a28c40469c6e4d81eea04091901751c6a72b37b5683cb0a2d01bf6cba5b7358c0de04290eaba66711dadce7a30938dd4edb2",
);

/** The test phase, header 52. */
export const TEST_PHASE_KROOT = bytes(
  "2150492104790025D3964DA3A2540A4830D139B710A4951D73C19DA22D3612E32DDC522FD248C7EA8DD271C757A35039F810405BDDE0528FFE261389A1643B879E1BDCB8ADB529333B42D6C387E41EB7DF91AE20889BC37CCE7B86BE3C023AFCD8D6E7C0EDC67D83",
);
export const TEST_PHASE_KEY = bytes("03F90DB0BE6BDF750835B1017A3A6084CBCB240928AEEFDBC19D1ACA99A3E90899");

/** E31, TOW 141660, header 92, message 1. */
export const E31_MACK = bytes(`107f5e36aa 78d f | 51ed188fca 17 0 f | 8775739944 1f 4 f | 380468208e 1a 0 f |
  065effc875 1f c f | ab6907d91b 0c 0 f | 39dc0ebc851d0e2ee84ba5732a62885c | 0000`);
export const E31_WORDS = {
  1: bytes("046b249111aa9fd4003a4efaa813a723"),
  2: bytes("086b29aa129b272e8e870b4d32eafe4d"),
  3: bytes("0c6bffc4b9222908b3134812100af06b"),
  4: bytes("106b7c0004003c924ffbe8e6ffff3901"),
  5: bytes("1520ffdffd000581a02b4914abaaaaaa"),
  6: bytes("1bfffffffc0000004861a62789114a1a"),
  10: bytes("2ab50aff8c7677fc700000007ffd8c29"),
};
/** E23, authenticated by a flexible slot of E31. */
export const E23_WORDS = [
  bytes("046924406ede541c00ae0bcea813c61b"),
  bytes("086929879fbb2742e0f74d494270fd6d"),
  bytes("0c69ffc4bb221f08c5136f12150b0e6b"),
  bytes("10695fffe80034910fff17a23fffa501"),
  bytes("1520ffdffd01ff00402b4914abaaaaaa"),
] as const;
/** E13, TOW 141690, message 2, COP 1. */
export const E13_MACK = bytes(
  "02925cbc697ca179d313d57b170f79bbdfce2b1a0f5004ffd5230dc16e6365ecfa0301509335fc671acf6719a4cf8a38dcd5fcbf67d4c9162d6c0000",
);
export const E13_WORDS = [
  bytes("046c24b9adc7453000c43f1aa8139a57"),
  bytes("086c7f2d310a28b084fbf0c51e5cf1ed"),
  bytes("0c6cffc4431b8afa1308372291f90f6b"),
  bytes("106c34006c004c92effe5cf63fffcc01"),
  bytes("1520ffdffd000902602b4914baaaaaaa"),
] as const;
/** Keys of the live chain by TOW of WN 1385. */
export const LIVE_KEYS: Readonly<Record<number, Uint8Array>> = {
  140370: bytes("698599523f6b23cdef4cf7ed1716a64a"),
  140400: bytes("9b343278ee2c40e9877162c306b8a50a"),
  140430: bytes("8543b7d36cb1dbcafc4fe25ad075c289"),
  140460: bytes("ed98811af1d4f29449d471355942c590"),
  140490: bytes("88d048a7aa11046dfca8f2bd43b76f32"),
  140520: bytes("6d57ec97c292a8d55358386c80c298b3"),
  141660: bytes("39dc0ebc851d0e2ee84ba5732a62885c"),
  141690: bytes("6719a4cf8a38dcd5fcbf67d4c9162d6c"),
  141720: bytes("78e8c1837dddfdd9cf3b5c5766457d66"),
  141990: bytes("1d42e64cb1beb9361204b831ac7b735e"),
};
