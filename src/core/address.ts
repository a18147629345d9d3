/**
 * Addresses of stores, as they may be shown.
 *
 * Invariant
 * - What is shown holds no password, wherever the address has it, and however it is misspelt.
 */

/** For logs, pages and messages: user, host, database and schema of a server; anything without a server as it is. */
export function shownAddress(address: string): string {
  if (!/[@?]|:\/\//.test(address) || /^sqlite:/i.test(address)) return address
  const hidden = `${address.slice(0, Math.max(0, address.indexOf(':')))}:…`
  if (!URL.canParse(address)) return hidden
  const { protocol, username, host, pathname, searchParams } = new URL(address)
  if (host === '') return hidden
  const schema = searchParams.get('schema')
  const query = schema === null ? '' : `?schema=${schema}`
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}${query}`
}
