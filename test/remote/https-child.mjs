/**
 * Calls `https://flights.internal:port` three times, where that name is at 127.0.0.1, and prints what each call came to.
 * `NODE_EXTRA_CA_CERTS=cert.pem node https-child.mjs port`
 */
import { AllowList } from '#dist/remote/policy.js'
import { defaultSetting } from '#dist/remote/setting.js'
import { remoteStep } from '#dist/remote/step.js'

const port = process.argv[2]
const names = ['flights.internal', 'flights.internal', 'hotels.internal']
for (const name of names) {
  const url = `https://${name}:${port}`
  const allow = AllowList.parse([url], [])
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
  const { commit } = remoteStep({ commit: { url } }, { ...defaultSetting, allow, resolve }, [], true)
  const context = {
    ...{
      input: {},
      outputs: {},
      sagaId: 's',
      step: 'a',
      attempt: 1,
      idempotencyKey: 'u:a:commit',
      token: 1,
      deadline: 0,
    },
    signal: new AbortController().signal,
  }
  const said = await commit(context).catch((error) => `${error.name} ${error.cause?.code}`)
  process.stdout.write(`${JSON.stringify(said)}\n`)
}
