/**
 * What a fresh connection reads is durable, also while somebody else is at a checkpoint, or was stopped in the middle of one.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sqliteStore } from 'backstep/sqlite'
import { expect, test } from 'vitest'
import { describeShim, failingFolder, recordedFolder } from '../support/shim.js'
import type { FaultFile } from '../support/shim-fault.mjs'
import { temporaryFolder } from '../support/stores.js'
import { type Operation, readTape } from './tape.js'

/** Holds SQLite's lock for checkpoints (byte 121 of the -shm), until it is told to end. */
const holder = `
  #include <fcntl.h>
  #include <unistd.h>
  int main(int count, char **words) {
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 121, .l_len = 1 };
    if (count < 2 || fcntl(open(words[1], O_RDWR), F_SETLK, &lock) != 0) return 1;
    if (write(1, "held", 4) != 4) return 1;
    char end;
    return read(0, &end, 1) > 0;
  }`

const opener = `
  import { sqliteStore } from 'backstep/sqlite'
  const store = sqliteStore(process.argv[1], { thread: false })
  console.log(await store.open().then(() => 'open', ({ code }) => code))
  process.exit()`

async function whileCheckpointing<T>(file: string, action: () => T): Promise<T> {
  const program = join(temporaryFolder(), 'holder')
  writeFileSync(`${program}.c`, holder)
  execFileSync('cc', ['-o', program, `${program}.c`])
  const child = spawn(program, [`${file}-shm`], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    expect(String(await once(child.stdout, 'data'))).toBe('held')
    return action()
  } finally {
    child.stdin.end()
    await once(child, 'exit')
  }
}

/** Opens a store that others have open, in a process of its own; gives what it said. */
async function openMeanwhile(arm: (fault: FaultFile) => void): Promise<[string, Operation[], string]> {
  const folder = join(temporaryFolder(), 'store')
  mkdirSync(folder)
  const file = join(folder, 'store.db')
  const store = sqliteStore(file, { thread: false })
  await store.open()
  const recorded = recordedFolder(folder)
  const failing = failingFolder(folder)
  arm(failing.fault)
  const env = { ...recorded.env, ...failing.env }
  const said = await whileCheckpointing(file, () =>
    execFileSync(process.execPath, ['--input-type=module', '-e', opener, file], { env, encoding: 'utf8' }),
  )
  await store.close()
  return [said.trim(), readTape(recorded.tape), `${file}-wal`]
}

describeShim('a checkpoint of somebody else', () => {
  test('does not keep a store from being opened, and what it finds in the WAL is synced', async () => {
    const [said, tape, wal] = await openMeanwhile(() => {})
    expect(said).toBe('open')
    const opened = tape.flatMap((operation) =>
      operation.kind === 'open' && operation.path === wal ? [operation.file] : [],
    )
    expect(tape.some((operation) => operation.kind === 'syncEnds' && opened.includes(operation.file))).toBe(
      true,
    )
  })

  test('where that sync fails the store is not opened, and nothing is read', async () => {
    const [said] = await openMeanwhile((fault) => fault.order({ kinds: ['sync'], at: 1 }))
    expect(said).toBe('STORE_UNAVAILABLE')
  })
})
