/** The store's contract in memory, in real time and in time that is moved; with it scenarios 16, 21, 22, 38, 39 and 40. */
import type { Store } from '#dist/store/store.js'
import { memoryStore } from '#dist/stores/memory/index.js'
import { testStore } from './suite.js'

testStore('memory', { create: () => memoryStore(), store: (store) => store }, 300)

class Moved {
  ahead = 0
  readonly store: Store = memoryStore({ now: () => Date.now() + this.ahead })
}

testStore(
  'memory, its time moved',
  {
    create: () => new Moved(),
    store: ({ store }) => store,
    wait: (place, ms) => {
      place.ahead += ms
    },
  },
  5,
)
