/**
 * The order of an object's members, remembered by their names: records are of a few shapes, and there are many of
 * them. Sorting anew, or joining the names to look them up, costs more than all the rest of a record's text.
 */
export interface Shape {
  /** As they came. */
  readonly given: readonly string[];
  /** In order, with the text before each value. */
  readonly names: readonly string[];
  readonly heads: readonly string[];
}

/** Of one number of members; a fix has some 20 shapes in all. More are made anew each time. */
const MAX_SHAPES = 16;
const MAX_MEMBERS = 64;
const byCount: Shape[][] = Array.from({ length: MAX_MEMBERS + 1 }, () => []);

export function shapeOf(given: readonly string[]): Shape {
  const known = given.length <= MAX_MEMBERS ? byCount[given.length] : null;
  for (const shape of known ?? []) if (isSame(shape.given, given)) return shape;
  const names = [...given].sort();
  const shape = { given, names, heads: names.map((name) => `${JSON.stringify(name)}:`) };
  if (known !== null && known.length < MAX_SHAPES) known.push(shape);
  return shape;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
