/**
 * Submits inside of a user's own transaction.
 *
 * Invariants
 * - They do not stand in the line, which would keep everybody waiting for as long as the user's transaction is open. The saga is
 *   stored as waiting and awake, at the place of one that nobody has looked at: that is always allowed (see admission.ts), and
 *   the next claim judges it. It becomes visible, and the workers are told, by the user's commit.
 * - If the id is taken by a transaction that is still open, this waits for its end.
 * - Whoever was pruned does not run again: his tombstone may appear while this waits for the prune, or (at REPEATABLE READ and
 *   SERIALIZABLE) be there and not be seen. No new saga can have the id, and so no prune of it begin, once the row is inserted: then
 *   it is looked for again. What cannot be seen is met at its unique index, and raises 40001.
 * - The definition's number is checked: in another database it means another definition.
 */
export const transactional = `
  CREATE FUNCTION submit_in_1(id_ text, def integer, hash text, wanted text, is_alone boolean, due_by bigint, at bigint, entries text,
    channel text, OUT o_n bigint, OUT o_saga text, OUT o_tombstone text) LANGUAGE plpgsql
  SET search_path = :schema AS $$
  DECLARE
    ks text[] := CASE WHEN NOT is_alone THEN string_to_array(wanted, chr(2)) END;
    is_fixed boolean := current_setting('transaction_isolation') IN ('repeatable read', 'serializable');
  BEGIN
    IF NOT EXISTS (SELECT FROM definitions WHERE d = def AND digest = hash) THEN
      RAISE EXCEPTION 'backstep: the definition is not in this database, or not yet in the snapshot of this transaction'
        USING ERRCODE = CASE WHEN is_fixed THEN '40001' ELSE 'BK003' END;
    END IF;
    LOOP
      SELECT json_build_array(id, input_hash, status, ended_at) INTO o_tombstone FROM tombstones WHERE id = id_;
      IF FOUND THEN RETURN; END IF;
      INSERT INTO sagas (n, id, d, status, stage, awake, token, submitted_at, place, keys, deadline)
      VALUES (nextval('numbers'), id_, def, 0, 0, NOT is_alone, 0, at, CASE WHEN NOT is_alone THEN 1 END, ks, due_by)
      ON CONFLICT DO NOTHING RETURNING n INTO o_n;
      EXIT WHEN FOUND;
      o_saga := saga_1((SELECT n FROM sagas WHERE id = id_));
      IF o_saga IS NOT NULL THEN RETURN; END IF;
    END LOOP;
    IF is_fixed THEN
      INSERT INTO tombstones (id, input_hash, status, ended_at) VALUES (id_, '', 0, 0) ON CONFLICT DO NOTHING;
      DELETE FROM tombstones WHERE id = id_;
    ELSE
      SELECT json_build_array(id, input_hash, status, ended_at) INTO o_tombstone FROM tombstones WHERE id = id_;
      IF FOUND THEN
        DELETE FROM sagas WHERE n = o_n;
        o_n := NULL;
        RETURN;
      END IF;
    END IF;
    INSERT INTO journal (n, seq, at, entries) VALUES (o_n, 0, at, entries);
    INSERT INTO wants (key, place, n) SELECT DISTINCT k, 1, o_n FROM unnest(ks) k;
    PERFORM pg_notify(channel, '');
  END $$;
`
