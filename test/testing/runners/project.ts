/**
 * A project of a user of Backstep: the fixture, with the package installed as npm would, in a folder of its own.
 *
 * Invariant: nothing in it finds this repository, but for the packages that npm would have installed beside it.
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const fixture = fileURLToPath(new URL('fixture', import.meta.url))

export interface Output {
  readonly status: number | null
  /** stdout and stderr, without colours. */
  readonly text: string
}

export class Project {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** `packages`: what is installed beside Backstep and its own dependencies. */
  static async create(packages: readonly string[]): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'backstep-runners-')))
    await cp(fixture, project.folder, { recursive: true })
    await writeFile(join(project.folder, 'package.json'), '{ "type": "module", "private": true }')
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    for (const name of [...Object.keys(manifest.dependencies), ...packages]) await project.#link(name)
    const own = join(project.folder, 'node_modules/backstep')
    await mkdir(own)
    await cp(join(root, 'package.json'), join(own, 'package.json'))
    await cp(join(root, 'dist'), join(own, 'dist'), { recursive: true })
    return project
  }

  async #link(name: string): Promise<void> {
    const link = join(this.folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(root, 'node_modules', name), link)
  }

  /** Runs Node with these arguments, in a folder of the project. */
  node(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Output> {
    // A test runner tells its children so, and they would report to it.
    const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, VITEST: ___, ...inherited } = process.env
    const child = spawn(process.execPath, args, {
      cwd: join(this.folder, folder),
      env: { ...inherited, NO_COLOR: '1', FORCE_COLOR: '0', CI: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
      })
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status) => resolve({ status, text: Buffer.concat(chunks).toString() }))
    })
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}
