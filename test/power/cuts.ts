/**
 * The power is cut: for many moments of a recorded run the images that may be found afterwards are built, opened and judged.
 *
 * Invariant
 * - Everything that is drawn follows from the seed; a finding names the moment and the fate.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { temporaryFolder } from '../support/stores.js'
import { type Damage, Disk, noDamage } from './disk.js'
import { examine } from './examine.js'
import { drawHow, fateOf, type How, hows } from './fates.js'
import { Promises } from './promises.js'
import { Random } from './random.js'
import type { Recording } from './record.js'
import { resume } from './resume.js'
import type { Operation } from './tape.js'

export interface CutOptions {
  readonly images: number
  readonly seed: number
  /** In so many of them the sagas go on to their ends. */
  readonly resumed?: number
}

export interface Report {
  readonly images: number
  /** Different ones. */
  readonly moments: number
  readonly hows: number
  readonly damage: Damage
  /** Images in which something was lost or torn. */
  readonly damaged: number
  /** Acknowledged sagas that were looked for in those. */
  readonly atRisk: number
  /** Ends that somebody had been told, and calls that had begun, over all images. */
  readonly answers: number
  readonly calls: number
  /** Images that were gone on from, and the sagas in them that had not ended. */
  readonly resumed: number
  readonly unfinished: number
  readonly lost: readonly string[]
  readonly corrupt: readonly string[]
  readonly wrong: readonly string[]
}

/** Moments at which most is at stake: somebody was just told something, or at the seams of what makes things durable. */
function seams(tape: readonly Operation[]): number[] {
  const isSeam = new Set(['syncBegins', 'syncEnds', 'syncFails', 'truncate', 'unlink', 'rename', 'open'])
  return tape.flatMap(({ kind }, i) => (kind === 'append' ? [i + 1] : isSeam.has(kind) ? [i, i + 1] : []))
}

const writes = (tape: readonly Operation[]): number[] =>
  tape.flatMap(({ kind }, i) => (kind === 'write' ? [i + 1] : []))

interface Cut {
  readonly at: number
  readonly how: How
}

/** Where the tape is cut, in order, and how; each way is among them. */
function drawCuts(tape: readonly Operation[], images: number, random: Random): Cut[] {
  const [atSeams, amongWrites] = [seams(tape), writes(tape)]
  const cuts = Array.from({ length: images }, (_, i): Cut => {
    const moments = random.chance(0.4) ? atSeams : amongWrites
    return { at: moments[random.below(moments.length)] ?? 0, how: hows[i] ?? drawHow(random) }
  })
  return cuts.sort((a, b) => a.at - b.at)
}

/** Memory, where there is some: an image is opened once, and thrown away. */
const scratch = (): string =>
  existsSync('/dev/shm') ? mkdtempSync('/dev/shm/backstep-power-') : temporaryFolder()

/** Of what is not durable, all that did not make it. */
const losses = ({ lostWrites, tornSectors, lostTruncations, lostGhosts }: Damage): number =>
  lostWrites + tornSectors + lostTruncations + lostGhosts

/** One pass over a tape. */
class Pass {
  readonly #recording: Recording
  readonly #random: Random
  readonly #disk: Disk
  readonly #promises = new Promises()
  readonly #place = scratch()
  readonly damage = noDamage()
  readonly totals = { damaged: 0, atRisk: 0, answers: 0, calls: 0, resumed: 0, unfinished: 0 }
  readonly lost: string[] = []
  readonly corrupt: string[] = []
  readonly wrong: string[] = []
  #done = 0

  constructor(recording: Recording, random: Random) {
    this.#recording = recording
    this.#random = random
    this.#disk = new Disk(recording.folder)
  }

  async cut({ at, how }: Cut, goOn: boolean, what: string): Promise<void> {
    const { tape, reference } = this.#recording
    for (; this.#done < at; this.#done++) this.#play(tape[this.#done])
    const before = losses(this.damage)
    const file = this.#build(how)
    const { lost, corrupt } = await examine(file, this.#promises, reference)
    const named = (finding: string): string => `${what}, cut at ${at} of ${tape.length}, ${how}: ${finding}`
    this.lost.push(...lost.map(named))
    this.corrupt.push(...corrupt.map(named))
    if (losses(this.damage) > before) {
      this.totals.damaged++
      this.totals.atRisk += this.#promises.acknowledged.size
    }
    this.totals.answers += this.#promises.answered.size
    this.totals.calls += this.#promises.lines.length
    if (goOn && corrupt.length === 0) await this.#goOn(file, named)
    rmSync(join(file, '..'), { recursive: true })
  }

  end(): void {
    rmSync(this.#place, { recursive: true, force: true })
  }

  /** The ledger is no part of the disk: it is what was known. */
  #play(operation: Operation | undefined): void {
    if (operation?.kind === 'append') this.#promises.add(operation.bytes.toString())
    else if (operation) this.#disk.do(operation)
  }

  #build(how: How): string {
    const folder = mkdtempSync(join(this.#place, 'image-'))
    const found = this.#disk.found(fateOf(how, this.#random), this.damage)
    for (const [name, bytes] of found) writeFileSync(join(folder, basename(name)), bytes)
    const file = join(folder, 'store.db')
    if (this.#random.chance(0.3)) writeFileSync(`${file}-shm`, Buffer.alloc(32_768, 0xa5))
    return file
  }

  async #goOn(file: string, named: (finding: string) => string): Promise<void> {
    const { unfinished, wrong } = await resume(file, this.#promises)
    this.totals.resumed++
    this.totals.unfinished += unfinished
    this.wrong.push(...wrong.map(named))
  }
}

export async function cutPower(
  recording: Recording,
  { images, seed, resumed = 0 }: CutOptions,
): Promise<Report> {
  const random = new Random(seed)
  const pass = new Pass(recording, random)
  const cuts = drawCuts(recording.tape, images, random)
  const every = resumed === 0 ? Number.POSITIVE_INFINITY : Math.floor(images / resumed)
  try {
    for (const [i, cut] of cuts.entries())
      await pass.cut(cut, i % every === every - 1, `image ${i} of seed ${seed}`)
  } finally {
    pass.end()
  }
  const { damage, totals, lost, corrupt, wrong } = pass
  const moments = new Set(cuts.map(({ at }) => at)).size
  const ways = new Set(cuts.map(({ how }) => how)).size
  return { images: cuts.length, moments, hows: ways, damage, ...totals, lost, corrupt, wrong }
}

/** One line, for people. */
export function describeReport(name: string, report: Report): string {
  const { images, moments, damaged, damage, atRisk, answers, calls, resumed, unfinished } = report
  return (
    `${name}: ${images} images of ${moments} moments, ${damaged} of them damaged ` +
    `(${damage.lostWrites} writes lost, ${damage.tornWrites} torn in ${damage.tornSectors} sectors, ` +
    `${damage.lostTruncations} truncations, ${damage.lostNames} names, ` +
    `${damage.lostGhosts} sectors of failed syncs lost); looked for ${atRisk} acknowledged sagas in ` +
    `those, ${answers} answered ends and ${calls} calls in all; ${resumed} images resumed with ${unfinished} unfinished sagas. ` +
    `${report.lost.length} lost, ${report.corrupt.length} corrupt, ${report.wrong.length} wrong`
  )
}
