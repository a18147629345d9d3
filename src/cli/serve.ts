/**
 * `backstep serve`: its flags.
 *
 * Invariant: what serves is loaded only where something is to be served. It takes longer than all else that a command needs.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { addCommand } from './command.js'
import { placeOf } from './desk.js'
import { type Flags, levels } from './serve-flags.js'
import { Terminal } from './terminal.js'

export function registerServe(program: Command): void {
  addCommand(program, {
    usage: 'serve',
    summary: 'serve the API and the page',
    more:
      'Makes the store if it is not there. Without tokens everybody who reaches the\n' +
      'address may do everything: so only loopback is served then. Tokens are JSON,\n' +
      '[{"token", "role": "read" | "operate", "name"}], in --token-file or in\n' +
      'BACKSTEP_TOKENS.',
    json: 'one object once it listens: {"page", "api", "store", "pid"}',
    examples: [
      ['backstep serve', 'at http://127.0.0.1:7700/, on sqlite:backstep.db'],
      ['backstep serve --store postgres://app@db/trips --no-work', 'shows what others run'],
      ['backstep serve --definitions trips.yaml', 'runs the sagas of a definition file'],
      ['backstep serve --host 0.0.0.0 --token-file /etc/backstep/tokens.json', 'for other machines'],
      ['backstep serve --read-only --redact input.card', 'nobody can step in, and no card is shown'],
    ],
  })
    .option('--port <n>', 'where to listen; 0: any that is free', portNumber, 7700)
    .option('--host <address>', 'any but loopback needs tokens', '127.0.0.1')
    .option('--token-file <path>', 'who may call (default: BACKSTEP_TOKENS)')
    .option('--allow-host <name...>', 'names that requests may be addressed to')
    .option('--read-only', 'nobody submits or steps in here')
    .option('--no-work', 'run no saga here')
    .option('--definitions <file...>', 'sagas of remote steps, in YAML or JSON')
    .option('--allow <origin...>', 'where remote steps may go; submits may bring steps then')
    .option('--redact <path...>', 'never shown, such as input.card')
    .option('--show-payloads', 'to the role read, too')
    .addOption(new Option('--log <level>', 'JSON on stderr').choices(levels).default('warn'))
    .action(async (flags: Flags) => {
      const terminal = new Terminal(flags.json === true)
      const { serveUntilSignal } = await import('./serving.js')
      await serveUntilSignal(placeOf(flags, terminal, new AbortController().signal), flags)
    })
}

function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('Not a port: 0 to 65535.')
}
