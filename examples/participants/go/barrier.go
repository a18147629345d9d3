// The barrier of docs/participants.md in Go: exactly once in effect, in the participant's own transaction.
// It keeps the tables of Backstep's own barrier.

package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

const tables = `
CREATE TABLE IF NOT EXISTS backstep_barrier_version (
  one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, pruned TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS backstep_barrier_fence (
  saga TEXT PRIMARY KEY, token INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS backstep_barrier (
  commit_key TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('committed', 'rolled_back')),
  answer TEXT, rollback_answer TEXT) STRICT;
INSERT INTO backstep_barrier_version VALUES (1, 1, '') ON CONFLICT DO NOTHING;`

var keyForm = regexp.MustCompile(`^([^:\s]{1,64}):([^:\s]{1,100}):(?:(commit)|rollback(?::(?:[2-9]|[1-9]\d{1,8}))?)$`)
var dated = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7`)
var tokenForm = regexp.MustCompile(`^\d{1,16}$`)

// Refusal is an answer that is no success: its status tells the orchestrator what became of the effect.
type Refusal struct {
	Status int
	Code   string
	Detail string
}

func (r *Refusal) Error() string { return r.Detail }

// Call is what the headers say. All that the barrier needs follows from the idempotency key.
type Call struct {
	saga      string
	commitKey string
	token     *int64
}

func readCall(header http.Header, direction string) (Call, error) {
	key := header.Get("Idempotency-Key")
	match := keyForm.FindStringSubmatch(key)
	if match == nil || (match[3] == "commit") != (direction == "commit") {
		return Call{}, &Refusal{422, "BAD_INPUT", fmt.Sprintf("Idempotency-Key %q is not the key of a %s", key, direction)}
	}
	call := Call{saga: match[1], commitKey: match[1] + ":" + match[2] + ":commit"}
	if given := header.Get("X-Backstep-Commit-Key"); given != "" && given != call.commitKey {
		return Call{}, &Refusal{422, "BAD_INPUT", "X-Backstep-Commit-Key is not what Idempotency-Key undoes"}
	}
	if given := header.Get("X-Backstep-Token"); given != "" {
		if !tokenForm.MatchString(given) {
			return Call{}, &Refusal{422, "BAD_INPUT", "X-Backstep-Token is no whole number"}
		}
		token, _ := strconv.ParseInt(given, 10, 64)
		call.token = &token
	}
	return call, nil
}

// guarded runs work in one transaction with the barrier's record: all of it stands, or nothing.
// The database must be opened so that BEGIN takes the write lock at once (_txlock=immediate).
func guarded(ctx context.Context, db *sql.DB, call Call, work func(*sql.Tx) (*string, error)) (*string, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // Nothing, once it has been committed.
	var pruned string
	if err := tx.QueryRow("SELECT pruned FROM backstep_barrier_version").Scan(&pruned); err != nil {
		return nil, err
	}
	if call.saga < pruned && dated.MatchString(call.saga) {
		return nil, &Refusal{500, "PRUNED", "nobody can tell any more: the records of that time have been deleted"}
	}
	if call.token != nil {
		fenced, err := changes(tx.Exec(`INSERT INTO backstep_barrier_fence VALUES (?, ?)
			ON CONFLICT (saga) DO UPDATE SET token = excluded.token WHERE excluded.token >= token`, call.saga, *call.token))
		if err != nil {
			return nil, err
		}
		// In doubt, not rejected: this call does nothing, but the newer owner's may have done something.
		if fenced == 0 {
			return nil, &Refusal{500, "STALE_TOKEN", "a newer owner of this saga has called before"}
		}
	}
	answer, err := work(tx)
	if err != nil {
		return nil, err
	}
	return answer, tx.Commit()
}

// Commit runs effect once, and answers every duplicate with what it answered.
func Commit(ctx context.Context, db *sql.DB, call Call, effect func(*sql.Tx) (any, error)) (*string, error) {
	return guarded(ctx, db, call, func(tx *sql.Tx) (*string, error) {
		isFirst, err := enter(tx, call, "committed")
		if err != nil {
			return nil, err
		}
		if isFirst {
			return record(tx, call, "UPDATE backstep_barrier SET answer = ? WHERE commit_key = ?", func() (any, error) { return effect(tx) })
		}
		state, answer, _, err := find(tx, call)
		if err == nil && state == "rolled_back" {
			err = &Refusal{409, "ROLLED_BACK_ALREADY", "the step has been rolled back, so its commit is refused"}
		}
		return answer, err
	})
}

// Rollback runs undo with the commit's answer if that stands. If it has not come, it is refused from now on.
func Rollback(ctx context.Context, db *sql.DB, call Call, undo func(*sql.Tx, json.RawMessage) (any, error)) (*string, error) {
	return guarded(ctx, db, call, func(tx *sql.Tx) (*string, error) {
		isFirst, err := enter(tx, call, "rolled_back")
		if err != nil || isFirst {
			return nil, err
		}
		state, answer, undone, err := find(tx, call)
		if err != nil || state == "rolled_back" {
			return undone, err
		}
		var booking json.RawMessage
		if answer != nil {
			booking = json.RawMessage(*answer)
		}
		return record(tx, call, "UPDATE backstep_barrier SET state = 'rolled_back', rollback_answer = ? WHERE commit_key = ?",
			func() (any, error) { return undo(tx, booking) })
	})
}

// enter says whether this is the first call for its step.
func enter(tx *sql.Tx, call Call, state string) (bool, error) {
	inserted, err := changes(tx.Exec("INSERT INTO backstep_barrier (commit_key, state) VALUES (?, ?) ON CONFLICT DO NOTHING", call.commitKey, state))
	return inserted > 0, err
}

func find(tx *sql.Tx, call Call) (state string, answer, undone *string, err error) {
	row := tx.QueryRow("SELECT state, answer, rollback_answer FROM backstep_barrier WHERE commit_key = ?", call.commitKey)
	err = row.Scan(&state, &answer, &undone)
	return
}

func record(tx *sql.Tx, call Call, query string, work func() (any, error)) (*string, error) {
	value, err := work()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	answer := string(text)
	_, err = tx.Exec(query, answer, call.commitKey)
	return &answer, err
}

func changes(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
