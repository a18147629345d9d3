/** Addresses as they may be shown: no password, wherever it stands. */
import { shownAddress } from 'backstep'
import { expect, test } from 'vitest'

test.each([
  ['postgres://ada:SECRET@db.example:5432/app?schema=s1', 'postgres://ada@db.example:5432/app?schema=s1'],
  ['postgres://ada:SEC@RET@db/app', 'postgres://ada@db/app'],
  ['postgres://db/app?user=ada&password=SECRET', 'postgres://db/app'],
  ['postgres://ada:SECRET@db/app?options=sqlite:x', 'postgres://ada@db/app'],
  ['SQLite:trips@home.db', 'SQLite:trips@home.db'],
  ['postgress://ada:SECRET@db/app', 'postgress://ada@db/app'],
  ['postgres:/ada:SECRET@db/app', 'postgres:…'],
  ['postgres:?password=SECRET', 'postgres:…'],
  ['ada:SECRET@db/app', 'ada:…'],
  ['postgres://ada:SECRET@db:port/app', 'postgres:…'],
  ['postgres:', 'postgres:'],
  ['sqlite:trips@home.db', 'sqlite:trips@home.db'],
  ['memory:', 'memory:'],
  ['trips.db', 'trips.db'],
])('%s', (address, shown) => {
  expect(shownAddress(address)).toBe(shown)
  expect(shown).not.toMatch(/SEC|RET/)
})
