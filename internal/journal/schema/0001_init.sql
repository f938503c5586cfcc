-- Times are integer microseconds since the Unix epoch.

CREATE TABLE meta (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    floor INTEGER NOT NULL, -- newest signed_at of all nonces that were forgotten; 0 means none was
    beat  INTEGER NOT NULL  -- counted up by writability probes and after a failed commit
) STRICT;
INSERT INTO meta (id, floor, beat) VALUES (1, 0, 0);

CREATE TABLE nonce (
    value     BLOB PRIMARY KEY CHECK (length(value) = 16),
    client    TEXT NOT NULL,
    signed_at INTEGER NOT NULL,
    expires   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX nonce_expires ON nonce (expires);

-- seq is the order of arrival and what pages of a listing are counted in. The large columns come last, so that a listing does not read them.
CREATE TABLE job (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 128),
    client      TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN
                ('accepted', 'running', 'exited', 'signaled', 'timed_out', 'killed', 'failed', 'interrupted')),
    accepted_at INTEGER NOT NULL,
    expires     INTEGER, -- NULL: never
    started_at  INTEGER,
    ended_at    INTEGER CHECK ((ended_at IS NULL) = (status IN ('accepted', 'running'))),
    exit_code   INTEGER NOT NULL DEFAULT 0,
    signal      TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    duration    INTEGER NOT NULL DEFAULT 0, -- microseconds
    revision    TEXT NOT NULL,
    callback    TEXT NOT NULL,
    command     TEXT NOT NULL,
    request     BLOB,
    spec        BLOB,
    result      BLOB
) STRICT;
CREATE INDEX job_status ON job (status, seq);
CREATE INDEX job_client ON job (client, seq);
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;

-- *_bytes is what the command wrote, which may be more than what was kept; *_sha256 is of what was kept.
CREATE TABLE output (
    job              INTEGER PRIMARY KEY REFERENCES job (seq),
    stdout_bytes     INTEGER NOT NULL,
    stdout_truncated INTEGER NOT NULL,
    stdout_sha256    BLOB NOT NULL CHECK (length(stdout_sha256) = 32),
    stderr_bytes     INTEGER NOT NULL,
    stderr_truncated INTEGER NOT NULL,
    stderr_sha256    BLOB NOT NULL CHECK (length(stderr_sha256) = 32),
    stdout           BLOB,
    stderr           BLOB
) STRICT;

-- body is dropped once the callback was delivered.
CREATE TABLE outbox (
    seq         INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL UNIQUE CHECK (length(delivery_id) BETWEEN 1 AND 128),
    job         INTEGER NOT NULL REFERENCES job (seq),
    state       TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    created_at  INTEGER NOT NULL,
    next_at     INTEGER NOT NULL,
    settled_at  INTEGER CHECK ((settled_at IS NULL) = (state = 'pending')),
    attempt     INTEGER NOT NULL DEFAULT 0,
    status_code INTEGER NOT NULL DEFAULT 0,
    last_error  TEXT NOT NULL DEFAULT '',
    url         TEXT NOT NULL,
    body        BLOB
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at, seq) WHERE state = 'pending';
CREATE INDEX outbox_job ON outbox (job);
