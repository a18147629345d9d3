/**
 * Looking at values that nobody vouches for: what users throw and return can throw when it is looked at
 * (a getter, a revoked Proxy). Here it is then as if nothing were there.
 */

/** A property, or undefined where there is none or reading it throws. */
export function read(holder: unknown, key: PropertyKey): unknown {
  try {
    return (holder as Record<PropertyKey, unknown> | null | undefined)?.[key]
  } catch {
    // As if nothing were there.
  }
}

/** The first `max` items of an array and how many it has; none of anything else. */
export function readItems(
  value: unknown,
  max: number,
): { readonly items: readonly unknown[]; readonly length: number } {
  try {
    if (!Array.isArray(value)) return { items: [], length: 0 }
    return {
      items: Array.from({ length: Math.min(value.length, max) }, (_, index) => read(value, index)),
      length: value.length,
    }
  } catch {
    return { items: [], length: 0 }
  }
}
