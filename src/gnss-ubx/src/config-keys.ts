/**
 * Configuration keys of u-blox generation 9 and later by name: u-blox F9 and X20 interface descriptions,
 * "Configuration interface". Bits 28 to 30 of an id give the value's size. Keys differ between firmwares,
 * and a VALSET with an unknown one is refused as a whole: send optional keys one per frame.
 */
import type { ConfigItem } from "./layout.js";

/** L: a bit; U, I: integers; E: an enumeration, X: a bit field, both stored as unsigned. Sizes in bytes. */
export type ConfigValueType = "L" | "U1" | "U2" | "U4" | "I1" | "E1" | "X1";

interface ConfigKeyRow {
  readonly id: number;
  readonly type: ConfigValueType;
}

export const CONFIG_KEYS = {
  // Messages sent: per navigation epoch, 0 is never.
  "CFG-MSGOUT-UBX_RXM_SFRBX_USB": { id: 0x20910234, type: "U1" },
  "CFG-MSGOUT-UBX_RXM_SFRBX_UART1": { id: 0x20910232, type: "U1" },
  "CFG-MSGOUT-UBX_RXM_RAWX_USB": { id: 0x209102a7, type: "U1" },
  "CFG-MSGOUT-UBX_RXM_RAWX_UART1": { id: 0x209102a5, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_PVT_USB": { id: 0x20910009, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_PVT_UART1": { id: 0x20910007, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_HPPOSLLH_USB": { id: 0x20910036, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_HPPOSLLH_UART1": { id: 0x20910034, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_STATUS_USB": { id: 0x2091001d, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_STATUS_UART1": { id: 0x2091001b, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_SIG_USB": { id: 0x20910348, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_SIG_UART1": { id: 0x20910346, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_SAT_USB": { id: 0x20910018, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_SAT_UART1": { id: 0x20910016, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMEGAL_USB": { id: 0x20910059, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMEGAL_UART1": { id: 0x20910057, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMEGPS_USB": { id: 0x2091004a, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMEGPS_UART1": { id: 0x20910048, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMEUTC_USB": { id: 0x2091005e, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMEUTC_UART1": { id: 0x2091005c, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMELS_USB": { id: 0x20910063, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMELS_UART1": { id: 0x20910061, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_CLOCK_USB": { id: 0x20910068, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_CLOCK_UART1": { id: 0x20910066, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_EOE_USB": { id: 0x20910162, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_EOE_UART1": { id: 0x20910160, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMETRUSTED_USB": { id: 0x209103ab, type: "U1" },
  "CFG-MSGOUT-UBX_NAV_TIMETRUSTED_UART1": { id: 0x209103a9, type: "U1" },
  "CFG-MSGOUT-UBX_MON_RF_USB": { id: 0x2091035c, type: "U1" },
  "CFG-MSGOUT-UBX_MON_RF_UART1": { id: 0x2091035a, type: "U1" },
  "CFG-MSGOUT-UBX_MON_COMMS_USB": { id: 0x20910352, type: "U1" },
  "CFG-MSGOUT-UBX_MON_COMMS_UART1": { id: 0x20910350, type: "U1" },
  "CFG-MSGOUT-UBX_MON_SYS_USB": { id: 0x209106a0, type: "U1" },
  "CFG-MSGOUT-UBX_MON_SYS_UART1": { id: 0x2091069e, type: "U1" },
  "CFG-MSGOUT-UBX_SEC_SIG_USB": { id: 0x20910637, type: "U1" },
  "CFG-MSGOUT-UBX_SEC_SIG_UART1": { id: 0x20910635, type: "U1" },
  "CFG-MSGOUT-UBX_SEC_SIGLOG_USB": { id: 0x2091068c, type: "U1" },
  "CFG-MSGOUT-UBX_SEC_SIGLOG_UART1": { id: 0x2091068a, type: "U1" },
  "CFG-MSGOUT-UBX_SEC_OSNMA_USB": { id: 0x209106cd, type: "U1" },
  "CFG-MSGOUT-UBX_SEC_OSNMA_UART1": { id: 0x209106cb, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GGA_USB": { id: 0x209100bd, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GGA_UART1": { id: 0x209100bb, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GLL_USB": { id: 0x209100cc, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GLL_UART1": { id: 0x209100ca, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GSA_USB": { id: 0x209100c2, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GSA_UART1": { id: 0x209100c0, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GSV_USB": { id: 0x209100c7, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_GSV_UART1": { id: 0x209100c5, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_RMC_USB": { id: 0x209100ae, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_RMC_UART1": { id: 0x209100ac, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_VTG_USB": { id: 0x209100b3, type: "U1" },
  "CFG-MSGOUT-NMEA_ID_VTG_UART1": { id: 0x209100b1, type: "U1" },
  // Texts for people: 1 errors, 2 warnings, 4 notices.
  "CFG-INFMSG-UBX_USB": { id: 0x20920004, type: "X1" },
  "CFG-INFMSG-UBX_UART1": { id: 0x20920002, type: "X1" },
  "CFG-INFMSG-NMEA_USB": { id: 0x20920009, type: "X1" },
  "CFG-INFMSG-NMEA_UART1": { id: 0x20920007, type: "X1" },
  // Signals.
  "CFG-SIGNAL-GAL_ENA": { id: 0x10310021, type: "L" },
  "CFG-SIGNAL-GAL_E1_ENA": { id: 0x10310007, type: "L" },
  "CFG-SIGNAL-GAL_E5A_ENA": { id: 0x10310009, type: "L" },
  "CFG-SIGNAL-GAL_E5B_ENA": { id: 0x1031000a, type: "L" },
  "CFG-SIGNAL-GAL_E6_ENA": { id: 0x1031000b, type: "L" },
  "CFG-SIGNAL-GPS_ENA": { id: 0x1031001f, type: "L" },
  "CFG-SIGNAL-GPS_L1CA_ENA": { id: 0x10310001, type: "L" },
  "CFG-SIGNAL-SBAS_ENA": { id: 0x10310020, type: "L" },
  "CFG-SIGNAL-BDS_ENA": { id: 0x10310022, type: "L" },
  "CFG-SIGNAL-QZSS_ENA": { id: 0x10310024, type: "L" },
  "CFG-SIGNAL-GLO_ENA": { id: 0x10310025, type: "L" },
  // The receiver's own OSNMA.
  "CFG-GAL-USE_OSNMA": { id: 0x10350005, type: "L" },
  "CFG-GAL-OSNMA_MINTAGLENGTH": { id: 0x20350007, type: "U1" },
  "CFG-GAL-OSNMA_TIMESYNC": { id: 0x10350009, type: "L" },
  "CFG-GAL-OSNMA_INAVPRIM": { id: 0x10350010, type: "L" },
  "CFG-NAVSPG-ONLY_AUTHDATA": { id: 0x101100dd, type: "L" },
  "CFG-NAVSPG-MAX_TIMETRUSTED_ACC": { id: 0x301100de, type: "U2" },
  // Navigation.
  "CFG-NAVSPG-DYNMODEL": { id: 0x20110021, type: "E1" }, // 2: stationary
  "CFG-NAVSPG-UTCSTANDARD": { id: 0x2011001c, type: "E1" },
  "CFG-NAVSPG-INFIL_MINELEV": { id: 0x201100a4, type: "I1" }, // deg
  "CFG-RATE-MEAS": { id: 0x30210001, type: "U2" }, // ms
  "CFG-RATE-NAV": { id: 0x30210002, type: "U2" },
  "CFG-RATE-TIMEREF": { id: 0x20210003, type: "E1" }, // 1: GPS
  // Ports.
  "CFG-USBOUTPROT-UBX": { id: 0x10780001, type: "L" },
  "CFG-USBOUTPROT-NMEA": { id: 0x10780002, type: "L" },
  "CFG-USBOUTPROT-RTCM3X": { id: 0x10780004, type: "L" },
  "CFG-USBINPROT-UBX": { id: 0x10770001, type: "L" },
  "CFG-USBINPROT-NMEA": { id: 0x10770002, type: "L" },
  "CFG-USBINPROT-RTCM3X": { id: 0x10770004, type: "L" },
  "CFG-USB-ENABLED": { id: 0x10650001, type: "L" },
  "CFG-UART1INPROT-UBX": { id: 0x10730001, type: "L" },
  "CFG-UART1INPROT-NMEA": { id: 0x10730002, type: "L" },
  "CFG-UART1INPROT-RTCM3X": { id: 0x10730004, type: "L" },
  "CFG-UART1OUTPROT-UBX": { id: 0x10740001, type: "L" },
  "CFG-UART1OUTPROT-NMEA": { id: 0x10740002, type: "L" },
  "CFG-UART1OUTPROT-RTCM3X": { id: 0x10740004, type: "L" },
  "CFG-UART1-BAUDRATE": { id: 0x40520001, type: "U4" },
  "CFG-UART1-ENABLED": { id: 0x10520005, type: "L" },
  "CFG-TXREADY-ENABLED": { id: 0x10a20001, type: "L" },
  "CFG-TXREADY-POLARITY": { id: 0x10a20002, type: "L" },
  "CFG-TXREADY-PIN": { id: 0x20a20003, type: "U1" },
  "CFG-TXREADY-THRESHOLD": { id: 0x30a20004, type: "U2" },
  "CFG-TXREADY-INTERFACE": { id: 0x20a20005, type: "E1" },
  // Interference and spoofing.
  "CFG-ITFM-ENABLE": { id: 0x1041000d, type: "L" }, // refused by F9 HPG 1.51 and X20
  "CFG-SEC-SPOOFDET_SIM_SIG_DIS": { id: 0x10f6005d, type: "L" },
  "CFG-SEC-JAMDET_SENSITIVITY_HI": { id: 0x10f60051, type: "L" },
} as const satisfies Readonly<Record<string, ConfigKeyRow>>;

export type ConfigKeyName = keyof typeof CONFIG_KEYS;

type ValueOfType<T> = T extends "L" ? boolean : number;
export type ConfigValue<N extends ConfigKeyName> = ValueOfType<(typeof CONFIG_KEYS)[N]["type"]>;

const RANGE: Readonly<Record<Exclude<ConfigValueType, "L">, readonly [lowest: number, highest: number]>> = {
  U1: [0, 0xff],
  U2: [0, 0xffff],
  U4: [0, 0xffffffff],
  I1: [-0x80, 0x7f],
  E1: [0, 0xff],
  X1: [0, 0xff],
};

const nameById = new Map<number, ConfigKeyName>();
for (const name of Object.keys(CONFIG_KEYS) as ConfigKeyName[]) nameById.set(CONFIG_KEYS[name].id, name);

/** The name of a key, or null for one that is not in the table. */
export function configKeyName(id: number): ConfigKeyName | null {
  return nameById.get(id) ?? null;
}

function rowOf(name: string): ConfigKeyRow {
  if (typeof name !== "string") throw new TypeError("name must be a string");
  if (!Object.hasOwn(CONFIG_KEYS, name)) throw new RangeError(`no configuration key is named ${name}`);
  return CONFIG_KEYS[name as ConfigKeyName];
}

/**
 * An item for the `cfgData` of CFG-VALSET.
 * @throws TypeError or RangeError if the value is not of the key's type.
 */
export function configItem<N extends ConfigKeyName>(name: N, value: ConfigValue<N>): ConfigItem {
  const { id, type } = rowOf(name);
  const given: unknown = value;
  if (type === "L") {
    if (typeof given !== "boolean") throw new TypeError(`${name} must be a boolean`);
    return { key: id, value: given ? 1 : 0 };
  }
  if (typeof given !== "number") throw new TypeError(`${name} must be a number`);
  const [lowest, highest] = RANGE[type];
  if (!Number.isInteger(given) || given < lowest || given > highest) {
    throw new RangeError(`${name} must be an integer from ${lowest} to ${highest}`);
  }
  return { key: id, value: type === "I1" ? given & 0xff : given };
}

/** The value of an item from CFG-VALGET or CFG-VALSET by its key's type, or null for an unknown key. */
export function configItemValue(item: ConfigItem): boolean | number | null {
  const name = configKeyName(item.key);
  if (name === null) return null;
  const value = Number(item.value);
  const type: ConfigValueType = CONFIG_KEYS[name].type;
  if (type === "L") return value !== 0;
  return type === "I1" ? (value << 24) >> 24 : value;
}
