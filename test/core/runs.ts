/**
 * How often a property is tried: `runs(500)` is 500, or the share of it that BACKSTEP_TEST_SHARE says. Mutation testing runs
 * each of them for every mutant, and finds nearly as much with far fewer.
 */
const share = Number(process.env['BACKSTEP_TEST_SHARE'] ?? 1)

export const runs = (full: number): number => Math.ceil(full * share)
