/**
 * Loaded before a process (`node --import`): changes what its SQLite connections do, after the product has set and checked its own.
 *
 * BACKSTEP_POWER_PRAGMAS: such as `synchronous=OFF wal_autocheckpoint=40`. The product's last pragma when it opens is its checkpoint.
 *
 * Invariant
 * - Each is read back: a harness that is proven by what fails must not fail to make it fail.
 */
import Sqlite from 'better-sqlite3'

const wanted = (process.env.BACKSTEP_POWER_PRAGMAS ?? '').split(' ').filter((text) => text !== '')
const pragma = Sqlite.prototype.pragma
const changed = new WeakSet()
const levels = { OFF: 0, NORMAL: 1, FULL: 2 }

Sqlite.prototype.pragma = function changing(source, options) {
  const result = pragma.call(this, source, options)
  if (source.startsWith('wal_checkpoint') && !changed.has(this)) {
    changed.add(this)
    for (const text of wanted) {
      const [name, value] = text.split('=')
      pragma.call(this, text)
      const now = pragma.call(this, name, { simple: true })
      if (now !== (levels[value] ?? Number(value))) throw new Error(`${text} was not accepted: it is ${now}`)
    }
  }
  return result
}
