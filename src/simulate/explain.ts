/** Schema errors in words: where, what is wrong, and what there would be. */
import type { TSchema } from "typebox";
import * as Value from "typebox/value";

type Node = Readonly<Record<string, unknown>>;

/** One line per mistake, `path: reason`; empty where the value fits. */
export function schemaMistakes(schema: TSchema, value: unknown, base = ""): string[] {
  const lines: string[] = [];
  for (const error of Value.Errors(schema, value)) {
    const steps = error.instancePath.split("/").slice(1);
    const at = joined(base, steps);
    const params = error.params as Readonly<Record<string, unknown>>;
    switch (error.keyword) {
      case "boolean":
        // An unknown key is told of by its table.
        break;
      case "additionalProperties": {
        const known = Object.keys((nodeAt(schema, steps)?.["properties"] as Node | undefined) ?? {});
        for (const key of params["additionalProperties"] as string[]) {
          lines.push(
            `${joined(at, [key])}: no such key. There ${known.length === 1 ? "is" : "are"}: ${known.join(", ")}`,
          );
        }
        break;
      }
      case "required":
        for (const key of params["requiredProperties"] as string[])
          lines.push(`${joined(at, [key])}: missing`);
        break;
      case "enum": {
        const allowed = (nodeAt(schema, steps)?.["enum"] as unknown[] | undefined) ?? [];
        lines.push(`${at}: must be one of ${allowed.map(String).join(", ")}${found(value, steps)}`);
        break;
      }
      case "pattern":
        lines.push(`${at}: letters, digits, dot, dash and underline only, 64 at most${found(value, steps)}`);
        break;
      default:
        lines.push(`${at === "" ? "(document)" : at}: ${error.message}${found(value, steps)}`);
    }
  }
  return lines;
}

/** `receiver.waypoints[2].height` */
function joined(base: string, steps: readonly string[]): string {
  let path = base;
  for (const step of steps) path += /^\d+$/.test(step) ? `[${step}]` : `${path === "" ? "" : "."}${step}`;
  return path;
}

function nodeAt(schema: TSchema, steps: readonly string[]): Node | undefined {
  let node = schema as unknown as Node | undefined;
  for (const step of steps) {
    if (node === undefined) return undefined;
    const properties = node["properties"] as Node | undefined;
    node = (properties !== undefined ? properties[step] : node["items"]) as Node | undefined;
  }
  return node;
}

function found(value: unknown, steps: readonly string[]): string {
  let at = value;
  for (const step of steps) at = (at as Node | undefined)?.[step];
  const isPlain = typeof at === "string" || typeof at === "number" || typeof at === "boolean";
  return isPlain ? ` (found ${typeof at === "string" ? JSON.stringify(at) : String(at)})` : "";
}
