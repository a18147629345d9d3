/**
 * What can be stored, as far as types can tell; core/json.ts checks the rest at run time.
 *
 * Class instances without methods look like plain objects to the compiler, and NaN like a number.
 */

type Primitive = string | number | boolean | null | undefined

/** `Value` with everything that cannot be stored replaced by never. `any` and `unknown` pass: nothing is known against them. */
type JsonPart<Value> = unknown extends Value
  ? Value
  : Value extends Primitive
    ? Value
    : Value extends bigint | symbol | Unstorable
      ? never
      : { [Key in keyof Value]: JsonPart<Value[Key]> }

type Unstorable =
  | ((...args: never) => unknown)
  | (abstract new (
      ...args: never
    ) => unknown)
  | Date
  | RegExp
  | Error
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakMap<never, unknown>
  | WeakSet<never>
  | Promise<unknown>
  | ArrayBuffer
  | ArrayBufferView
  | { toJSON(...args: never): unknown }

/** False if `Value` holds something that certainly cannot be stored. */
export type IsStorable<Value> = [Value] extends [JsonPart<Value>] ? true : false
