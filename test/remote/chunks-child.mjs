/**
 * Calls `url` twice at once, and prints what came of it and the most memory that it took, in MB: `node chunks-child.mjs url`
 */
import { AllowList } from '#dist/remote/policy.js'
import { defaultSetting } from '#dist/remote/setting.js'
import { remoteStep } from '#dist/remote/step.js'

const url = process.argv[2]
const setting = { ...defaultSetting, allow: AllowList.parse([url], []) }
const { commit } = remoteStep({ commit: { url } }, setting, [], true)
const call = { sagaId: 's', step: 'a', attempt: 1, idempotencyKey: 'u:a:commit', token: 1, deadline: 0 }
const context = { input: {}, outputs: {}, signal: new AbortController().signal, ...call }
let most = 0
const watch = setInterval(() => {
  most = Math.max(most, process.memoryUsage().rss)
}, 10)
const said = await Promise.all([1, 2].map(() => commit(context).catch((error) => error.message)))
clearInterval(watch)
process.stdout.write(JSON.stringify({ said, most: Math.round(most / 1e6) }))
process.exit()
