// A participant in Go: flights in SQLite, behind the barrier.
//
//	go run . flights.db 7802
//
// The driver needs a C compiler (cgo).
//
// POST /flights {"to": "LIS"} books, DELETE /flights releases, GET /flights tells what is booked.
package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/mattn/go-sqlite3"
)

type booking struct {
	ID int64  `json:"id"`
	To string `json:"to"`
}

func book(tx *sql.Tx, body []byte) (any, error) {
	var wanted struct {
		To string `json:"to"`
	}
	if err := json.Unmarshal(body, &wanted); err != nil {
		return nil, &Refusal{422, "BAD_INPUT", "the body is no JSON"}
	}
	if wanted.To == "" || wanted.To == "NOWHERE" {
		return nil, &Refusal{409, "NO_FLIGHT", "there is no flight to " + wanted.To}
	}
	result, err := tx.Exec("INSERT INTO bookings (destination) VALUES (?)", wanted.To)
	if err != nil {
		return nil, err
	}
	id, err := result.LastInsertId()
	return booking{id, wanted.To}, err
}

func release(tx *sql.Tx, answer json.RawMessage) (any, error) {
	var stands booking
	if err := json.Unmarshal(answer, &stands); err != nil {
		return nil, err
	}
	released, err := changes(tx.Exec("DELETE FROM bookings WHERE id = ?", stands.ID))
	return map[string]int64{"released": released}, err
}

type service struct{ db *sql.DB }

func (s service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1_000_000))
	if err != nil {
		send(w, nil, &Refusal{422, "BAD_INPUT", "the body cannot be read"})
		return
	}
	switch r.Method {
	case http.MethodPost:
		call, err := readCall(r.Header, "commit")
		if err != nil {
			send(w, nil, err)
			return
		}
		answer, err := Commit(r.Context(), s.db, call, func(tx *sql.Tx) (any, error) { return book(tx, body) })
		send(w, answer, err)
	case http.MethodDelete:
		call, err := readCall(r.Header, "rollback")
		if err != nil {
			send(w, nil, err)
			return
		}
		answer, err := Rollback(r.Context(), s.db, call, release)
		send(w, answer, err)
	default:
		s.list(w)
	}
}

func (s service) list(w http.ResponseWriter) {
	rows, err := s.db.Query("SELECT destination FROM bookings ORDER BY id")
	if err != nil {
		send(w, nil, err)
		return
	}
	defer rows.Close()
	found := []string{}
	for rows.Next() {
		var destination string
		if err := rows.Scan(&destination); err != nil {
			send(w, nil, err)
			return
		}
		found = append(found, destination)
	}
	text, _ := json.Marshal(found)
	answer := string(text)
	send(w, &answer, rows.Err())
}

// send answers by the table of outcomes: whatever is no Refusal leaves the effect in doubt, but for a lock that was not had.
func send(w http.ResponseWriter, answer *string, err error) {
	if err == nil {
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, *answer)
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = &Refusal{500, "IN_DOUBT", err.Error()}
		var locked sqlite3.Error
		if errors.As(err, &locked) && locked.Code == sqlite3.ErrBusy {
			refusal = &Refusal{503, "BUSY", err.Error()}
			w.Header().Set("Retry-After", "1")
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(refusal.Status)
	json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": refusal.Code, "status": refusal.Status, "code": refusal.Code, "detail": refusal.Detail,
	})
}

func main() {
	// immediate: the write lock is taken by BEGIN, so that nobody fails in the middle. FULL: what was answered survives a power cut.
	address := "file:" + os.Args[1] + "?_txlock=immediate&_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL"
	db, err := sql.Open("sqlite3", address)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec(tables + "CREATE TABLE IF NOT EXISTS bookings (id INTEGER PRIMARY KEY, destination TEXT NOT NULL) STRICT;"); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("flights on http://%s/flights\n", listener.Addr())
	log.Fatal(http.Serve(listener, service{db}))
}
