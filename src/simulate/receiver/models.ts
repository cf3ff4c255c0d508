/**
 * The receivers that the virtual receiver can be: identity, ports, and which configuration keys and messages
 * their firmware knows. The texts are those that such receivers answered to MON-VER. The key sets are what
 * gnss-ubx names, less what is known to be refused (docs/virtual-receiver.md); a real firmware knows many more keys.
 */
import type { ConfigKeyName } from "gnss-ubx";
import { CONFIG_KEYS } from "gnss-ubx";

export type PortName = "USB" | "UART1";

export interface ReceiverModel {
  readonly name: ModelName;
  readonly swVersion: string;
  readonly hwVersion: string;
  /** MON-VER's extensions, in their order. */
  readonly extensions: readonly string[];
  /** 5 (SEC-UNIQID version 1) or 6 (version 2); 0: the message is not known. */
  readonly uniqueIdBytes: 0 | 5 | 6;
  readonly ports: readonly PortName[];
  readonly uartBaud: number;
  /** Whether CFG-VALSET, CFG-VALGET and CFG-VALDEL are known. If not, CFG-MSG sets output rates. */
  readonly keys: ReadonlySet<ConfigKeyName> | null;
  /** Messages that this firmware cannot put out, whatever is asked for. */
  readonly withoutMessages: ReadonlySet<string>;
  /** Values that are refused although the key is known. */
  readonly refuses: (key: ConfigKeyName, value: number) => boolean;
}

export const MODEL_NAMES = ["F9P", "F9T", "M9N", "F10T", "X20P", "M8T"] as const;
export type ModelName = (typeof MODEL_NAMES)[number];

const ALL_KEYS = Object.keys(CONFIG_KEYS) as ConfigKeyName[];

/** All keys but those that match. */
function keysWithout(...patterns: readonly RegExp[]): ReadonlySet<ConfigKeyName> {
  return new Set(ALL_KEYS.filter((key) => !patterns.some((pattern) => pattern.test(key))));
}

const OWN_OSNMA = /SEC_OSNMA|CFG-GAL-|ONLY_AUTHDATA|TIMETRUSTED/;
const SECURITY = /SEC_SIG|CFG-SEC-/;
const USB = /USB/;
const never = (): boolean => false;

/** The model of a name. */
export function receiverModel(name: ModelName): ReceiverModel {
  switch (name) {
    case "F9P":
      return {
        name,
        swVersion: "EXT CORE 1.00 (9e1716)",
        hwVersion: "00190000",
        extensions: [
          "ROM BASE 0x118B2060",
          "FWVER=HPG 1.51",
          "PROTVER=27.50",
          "MOD=ZED-F9P",
          "GPS;GLO;GAL;BDS",
          "SBAS;QZSS",
        ],
        uniqueIdBytes: 5,
        ports: ["USB", "UART1"],
        uartBaud: 38_400,
        keys: keysWithout(/GAL_E5A|GAL_E6|CFG-ITFM/),
        withoutMessages: new Set(),
        refuses: never,
      };
    case "F9T":
      return {
        name,
        swVersion: "EXT CORE 1.00 (3fda8e)",
        hwVersion: "00190000",
        extensions: [
          "ROM BASE 0x118B2060",
          "FWVER=TIM 2.20",
          "PROTVER=29.20",
          "MOD=ZED-F9T",
          "GPS;GLO;GAL;BDS",
          "SBAS;QZSS",
          "NAVIC",
        ],
        uniqueIdBytes: 5,
        ports: ["USB", "UART1"],
        uartBaud: 38_400,
        keys: keysWithout(/GAL_E5B|GAL_E6|GLO_ENA|MON_SYS/, OWN_OSNMA),
        withoutMessages: new Set(["SEC-OSNMA", "NAV-TIMETRUSTED", "MON-SYS"]),
        refuses: never,
      };
    case "M9N":
      return {
        name,
        swVersion: "EXT CORE 4.04 (7f89f7)",
        hwVersion: "00190000",
        extensions: [
          "ROM BASE 0x118B2060",
          "FWVER=SPG 4.04",
          "PROTVER=32.01",
          "MOD=NEO-M9N",
          "GPS;GLO;GAL;BDS",
          "SBAS;QZSS",
        ],
        uniqueIdBytes: 5,
        ports: ["USB", "UART1"],
        uartBaud: 38_400,
        keys: keysWithout(/RXM_RAWX|GAL_E5A|GAL_E5B|GAL_E6|MON_SYS/, OWN_OSNMA, SECURITY),
        withoutMessages: new Set([
          "RXM-RAWX",
          "SEC-SIG",
          "SEC-SIGLOG",
          "SEC-OSNMA",
          "NAV-TIMETRUSTED",
          "MON-SYS",
        ]),
        refuses: never,
      };
    case "F10T":
      return {
        name,
        // Build numbers of this one are made up; no answer of such a receiver was at hand.
        swVersion: "EXT CORE 1.00 (000000)",
        hwVersion: "000A0000",
        extensions: [
          "ROM BASE 0x00000000",
          "FWVER=TIM 3.01",
          "PROTVER=42.01",
          "MOD=NEO-F10T",
          "GPS;GAL;BDS",
          "SBAS;QZSS",
          "NAVIC",
        ],
        uniqueIdBytes: 6,
        ports: ["UART1"],
        uartBaud: 38_400,
        keys: keysWithout(USB, /GAL_E5B|GAL_E6|GLO_ENA|CFG-ITFM/),
        withoutMessages: new Set(),
        // Seen on a NEO-F10T with TIM 3.02: the key is known, a rate above 1 is not taken.
        refuses: (key, value) => key.startsWith("CFG-MSGOUT-UBX_NAV_TIMEGPS") && value > 1,
      };
    case "X20P":
      return {
        name,
        swVersion: "EXT HPG 2.10 (b0eda3)",
        hwVersion: "000B0000",
        extensions: [
          "ROM BASE 0x00A9D329",
          "FWVER=HPG 2.10",
          "PROTVER=50.11",
          "MOD=ZED-X20P",
          "GPS;GLO;GAL;BDS",
          "SBAS;QZSS",
          "NAVIC;LBAND",
        ],
        uniqueIdBytes: 6,
        ports: ["USB", "UART1"],
        uartBaud: 38_400,
        keys: keysWithout(/CFG-ITFM/),
        withoutMessages: new Set(),
        refuses: never,
      };
    case "M8T":
      return {
        name,
        swVersion: "EXT CORE 3.01 (111141)",
        hwVersion: "00080000",
        extensions: [
          "ROM BASE 2.01 (75331)",
          "FWVER=TIM 1.10",
          "PROTVER=22.00",
          "MOD=NEO-M8T-0",
          "FIS=0xEF4015 (100111)",
          "GPS;GLO;GAL;BDS",
          "SBAS;IMES;QZSS",
        ],
        uniqueIdBytes: 5,
        ports: ["USB", "UART1"],
        uartBaud: 9_600,
        keys: null,
        withoutMessages: new Set([
          "NAV-SIG",
          "MON-RF",
          "MON-COMMS",
          "MON-SYS",
          "SEC-SIG",
          "SEC-SIGLOG",
          "SEC-OSNMA",
          "NAV-TIMETRUSTED",
        ]),
        refuses: never,
      };
  }
}

/** What a key is set to in a receiver that nobody configured. */
export function factoryDefault(model: ReceiverModel, key: ConfigKeyName): number {
  if (key.startsWith("CFG-MSGOUT-NMEA_")) return 1;
  if (key.startsWith("CFG-MSGOUT-")) return 0;
  if (key.startsWith("CFG-INFMSG-NMEA_")) return 7;
  switch (key) {
    case "CFG-RATE-MEAS":
      return 1000;
    case "CFG-RATE-NAV":
    case "CFG-RATE-TIMEREF":
      return 1;
    case "CFG-UART1-BAUDRATE":
      return model.uartBaud;
    case "CFG-NAVSPG-INFIL_MINELEV":
      return 10;
    case "CFG-NAVSPG-UTCSTANDARD":
      return 0;
    default:
      return DEFAULT_ON.has(key) ? 1 : 0;
  }
}

const DEFAULT_ON: ReadonlySet<string> = new Set<ConfigKeyName>([
  "CFG-SIGNAL-GAL_ENA",
  "CFG-SIGNAL-GAL_E1_ENA",
  "CFG-SIGNAL-GAL_E5A_ENA",
  "CFG-SIGNAL-GAL_E5B_ENA",
  "CFG-SIGNAL-GPS_ENA",
  "CFG-SIGNAL-GPS_L1CA_ENA",
  "CFG-SIGNAL-SBAS_ENA",
  "CFG-SIGNAL-BDS_ENA",
  "CFG-SIGNAL-QZSS_ENA",
  "CFG-SIGNAL-GLO_ENA",
  "CFG-USB-ENABLED",
  "CFG-USBINPROT-UBX",
  "CFG-USBINPROT-NMEA",
  "CFG-USBINPROT-RTCM3X",
  "CFG-USBOUTPROT-UBX",
  "CFG-USBOUTPROT-NMEA",
  "CFG-USBOUTPROT-RTCM3X",
  "CFG-UART1-ENABLED",
  "CFG-UART1INPROT-UBX",
  "CFG-UART1INPROT-NMEA",
  "CFG-UART1INPROT-RTCM3X",
  "CFG-UART1OUTPROT-UBX",
  "CFG-UART1OUTPROT-NMEA",
]);
