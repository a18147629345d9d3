import { memoryStore } from '#dist/stores/memory/index.js'
import { storeSuite } from './suite.js'

storeSuite(
  'memory',
  async () => {
    const store = memoryStore()
    return {
      open: async () => {
        await store.open()
        return store
      },
      close: () => store.close(),
      remove: async () => {},
    }
  },
  300,
)
