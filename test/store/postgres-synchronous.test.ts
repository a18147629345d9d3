/** P1 on a database that does not wait for its disk: what Backstep answers is durable all the same. */
import { expect, it } from 'vitest'
import { Desk } from '#dist/testing/store-suite/desk.js'
import { describePostgres, freshDatabase, query } from '../support/postgres.js'
import { openStore, schemaOf } from './postgres-place.js'

describePostgres('a database with synchronous_commit=off', () => {
  it('waits for its disk in whatever writes to the journal', async () => {
    const address = await freshDatabase()
    const database = new URL(address).pathname.slice(1)
    await query(address, `ALTER DATABASE "${database}" SET synchronous_commit = off`)
    const desk = new Desk(await openStore(address))
    await query(address, 'CREATE TABLE public.seen (setting text)')
    await query(
      address,
      `CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO public.seen VALUES (current_setting('synchronous_commit'));
         RETURN NULL;
       END $$`,
    )
    await query(
      address,
      `CREATE TRIGGER see AFTER INSERT OR UPDATE ON "${schemaOf(address)}".journal EXECUTE FUNCTION public.see()`,
    )
    await desk.join('w')
    const saga = await desk.submit({ start: 'w' })
    await desk.add(saga)
    await desk.end(saga)
    const seen = await query(address, 'SELECT setting FROM public.seen')
    expect(seen).toEqual([{ setting: 'on' }, { setting: 'on' }, { setting: 'on' }])
  })
})
