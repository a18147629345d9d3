/**
 * Addresses of stores, as they may be shown.
 */

export const withoutPassword = (address: string): string =>
  address.replace(/^(\w+:\/\/[^:/@]*):[^@]*@/, '$1:***@')
