/** Content negotiation by the Accept field (RFC 9110 section 12.5.1). */

/** More ranges than any client sends: what follows is not read. */
const MAX_RANGES = 20;
const QUALITY = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/**
 * The type of `offered` that the field prefers; the earlier one where it prefers none. Null where it accepts
 * none of them.
 */
export function negotiate<Type extends string>(
  field: string | undefined,
  offered: readonly Type[],
): Type | null {
  if (field === undefined || field.trim() === "") return offered[0];
  const ranges = field.split(",", MAX_RANGES).map((text) => {
    const [range, ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    return { range, quality: quality === undefined ? 1 : QUALITY.test(quality) ? Number(quality) : 0 };
  });
  let best: Type | null = null;
  let bestQuality = 0;
  for (const type of offered) {
    // The most specific range that matches decides.
    const [group] = type.split("/");
    const matching =
      ranges.find(({ range }) => range === type) ??
      ranges.find(({ range }) => range === `${group}/*`) ??
      ranges.find(({ range }) => range === "*/*");
    if (matching !== undefined && matching.quality > bestQuality) {
      best = type;
      bestQuality = matching.quality;
    }
  }
  return best;
}
