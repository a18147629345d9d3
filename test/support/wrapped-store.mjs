/** A store whose `apply`, or any other method, is replaced; the rest goes through. */
export function wrapStore(store, methods) {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return methods[name]
      const value = target[name]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** True for a write that changes a journal or says who is there: a claim that finds nothing comes at any time, and so does a renewal. */
const counts = ({ type }) => type !== 'claim' && type !== 'renew'

/** Calls `point` before each flush that has something to say is handed to the store, and after it (or a claim that gave something) was applied. */
export function withBoundaries(store, point) {
  return wrapStore(store, {
    apply: async (writes) => {
      const matters = writes.some(counts)
      if (matters) point('before a write')
      const results = await store.apply(writes)
      if (matters || results.some((result) => result.type === 'claimed' && result.sagas.length > 0))
        point('after a write')
      return results
    },
  })
}
