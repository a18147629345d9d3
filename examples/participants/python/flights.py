"""A participant in Python, with nothing but the standard library: flights in SQLite, behind the barrier.

It does what docs/participants.md says, in the tables that Backstep's own barrier uses: a service may be moved from one language
to the other with its database.

    python3 flights.py flights.db 7801

POST /flights {"to": "LIS"} books, DELETE /flights releases, GET /flights tells what is booked.
"""

import json
import re
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TABLES = """
CREATE TABLE IF NOT EXISTS backstep_barrier_version (
  one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, pruned TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS backstep_barrier_fence (
  saga TEXT PRIMARY KEY, token INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS backstep_barrier (
  commit_key TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('committed', 'rolled_back')),
  answer TEXT, rollback_answer TEXT) STRICT;
INSERT INTO backstep_barrier_version VALUES (1, 1, '') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS bookings (id INTEGER PRIMARY KEY, destination TEXT NOT NULL) STRICT;
"""

KEY = re.compile(r"([^:\s]{1,64}):([^:\s]{1,100}):(?:(commit)|rollback(?::(?:[2-9]|[1-9]\d{1,8}))?)")
DATED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7")


class Refusal(Exception):
    """An answer that is no success: its status tells the orchestrator what became of the effect."""

    def __init__(self, status, code, detail):
        super().__init__(detail)
        self.status, self.code = status, code


# --- the barrier -----------------------------------------------------------------------------------------------------


class Call:
    """What the headers say. All that the barrier needs follows from the idempotency key."""

    def __init__(self, headers, direction):
        key = headers.get("Idempotency-Key", "")
        match = KEY.fullmatch(key)
        if not match or (match[3] is not None) != (direction == "commit"):
            raise Refusal(422, "BAD_INPUT", f"Idempotency-Key {key!r} is not the key of a {direction}")
        self.saga = match[1]
        self.commit_key = f"{match[1]}:{match[2]}:commit"
        if headers.get("X-Backstep-Commit-Key", self.commit_key) != self.commit_key:
            raise Refusal(422, "BAD_INPUT", "X-Backstep-Commit-Key is not what Idempotency-Key undoes")
        token = headers.get("X-Backstep-Token")
        if token is not None and not re.fullmatch(r"\d{1,16}", token):
            raise Refusal(422, "BAD_INPUT", "X-Backstep-Token is no whole number")
        self.token = None if token is None else int(token)


def guarded(db, call, work):
    """Runs `work` in one transaction with the barrier's record: all of it stands, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        (pruned,) = db.execute("SELECT pruned FROM backstep_barrier_version").fetchone()
        if call.saga < pruned and DATED.match(call.saga):
            raise Refusal(500, "PRUNED", "nobody can tell any more: the records of that time have been deleted")
        if call.token is not None:
            fenced = db.execute(
                "INSERT INTO backstep_barrier_fence VALUES (?, ?)"
                " ON CONFLICT (saga) DO UPDATE SET token = excluded.token WHERE excluded.token >= token",
                (call.saga, call.token),
            )
            # In doubt, not rejected: this call does nothing, but the newer owner's may have done something.
            if fenced.rowcount == 0:
                raise Refusal(500, "STALE_TOKEN", "a newer owner of this saga has called before")
        answer = work()
        db.execute("COMMIT")
        return answer
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def enter(db, call, state):
    """True for the first call of this step."""
    inserted = db.execute(
        "INSERT INTO backstep_barrier (commit_key, state) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (call.commit_key, state),
    )
    return inserted.rowcount > 0


def find(db, call):
    return db.execute(
        "SELECT state, answer, rollback_answer FROM backstep_barrier WHERE commit_key = ?", (call.commit_key,)
    ).fetchone()


def commit(db, call, effect):
    def work():
        if enter(db, call, "committed"):
            text = encode(effect())
            db.execute("UPDATE backstep_barrier SET answer = ? WHERE commit_key = ?", (text, call.commit_key))
            return text
        state, answer, _ = find(db, call)
        if state == "rolled_back":
            raise Refusal(409, "ROLLED_BACK_ALREADY", "the step has been rolled back, so its commit is refused")
        return answer

    return guarded(db, call, work)


def rollback(db, call, undo):
    def work():
        if enter(db, call, "rolled_back"):
            return None  # The commit has not come, and is refused from now on.
        state, answer, undone = find(db, call)
        if state == "rolled_back":
            return undone
        text = encode(undo(None if answer is None else json.loads(answer)))
        db.execute(
            "UPDATE backstep_barrier SET state = 'rolled_back', rollback_answer = ? WHERE commit_key = ?",
            (text, call.commit_key),
        )
        return text

    return guarded(db, call, work)


def encode(answer):
    return None if answer is None else json.dumps(answer, allow_nan=False)


# --- the service -----------------------------------------------------------------------------------------------------


def book(db, body):
    destination = body.get("to") if isinstance(body, dict) else None
    if not isinstance(destination, str) or destination == "NOWHERE":
        raise Refusal(409, "NO_FLIGHT", f"there is no flight to {destination}")
    cursor = db.execute("INSERT INTO bookings (destination) VALUES (?)", (destination,))
    return {"id": cursor.lastrowid, "to": destination}


def release(db, booking):
    return {"released": db.execute("DELETE FROM bookings WHERE id = ?", (booking["id"],)).rowcount}


def connect(file):
    # isolation_level None: BEGIN and COMMIT are ours. FULL: what has been answered survives a power cut.
    db = sqlite3.connect(file, isolation_level=None, timeout=5)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file = ":memory:"

    def do_POST(self):
        self.answer("commit", lambda db, call, body: commit(db, call, lambda: book(db, body)))

    def do_DELETE(self):
        self.answer("rollback", lambda db, call, _: rollback(db, call, lambda booking: release(db, booking)))

    def do_GET(self):
        db = connect(self.file)
        try:
            rows = db.execute("SELECT destination FROM bookings ORDER BY id").fetchall()
        finally:
            db.close()
        self.send(200, json.dumps([destination for (destination,) in rows]))

    def answer(self, direction, run):
        try:
            body = self.read_body()
            call = Call(self.headers, direction)
            db = connect(self.file)
            try:
                text = run(db, call, body)
            finally:
                db.close()
        except Refusal as refusal:
            self.refuse(refusal.status, refusal.code, str(refusal))
        except sqlite3.OperationalError as error:
            # Locked by others for longer than we wait: nothing has happened, and it is worth another try.
            if "locked" in str(error):
                self.refuse(503, "BUSY", str(error), {"Retry-After": "1"})
            else:
                self.refuse(500, "IN_DOUBT", str(error))
        except Exception as error:  # Whatever it is: nobody knows what became of the effect.
            self.refuse(500, "IN_DOUBT", str(error))
        else:
            self.send(204 if text is None else 200, text)

    def read_body(self):
        # http.server knows no chunks: taken for the next request, they would be answered instead of it.
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Refusal(411, "LENGTH_REQUIRED", "send the body with its Content-Length")
        length = int(self.headers.get("Content-Length") or 0)
        if length > 1_000_000:
            self.close_connection = True
            raise Refusal(422, "BAD_INPUT", "the body is larger than 1 MB")
        text = self.rfile.read(length)
        try:
            return json.loads(text) if text.strip() else None
        except ValueError:
            raise Refusal(422, "BAD_INPUT", "the body is no JSON") from None

    def refuse(self, status, code, detail, headers=None):
        problem = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
        self.send(status, json.dumps(problem), {"Content-Type": "application/problem+json", **(headers or {})})

    def send(self, status, text, headers=None):
        payload = b"" if text is None else text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        # Without its length a body that is cut could not be told from a whole one.
        if status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


def main():
    file, port = sys.argv[1], int(sys.argv[2])
    db = connect(file)
    db.executescript(TABLES)
    db.close()
    Handler.file = file
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    print(f"flights on http://127.0.0.1:{server.server_port}/flights", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
