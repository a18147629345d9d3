import type { Store } from 'backstep'

export declare function wrapStore(store: Store, methods: Partial<Store>): Store
export declare function withBoundaries(store: Store, point: (where: string) => void): Store
