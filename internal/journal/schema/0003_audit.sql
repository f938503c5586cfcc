-- Expired nonces are looked for once in a while, all of them, beside the writer: that costs less than an index that every commit has to write.
DROP INDEX nonce_expires;

-- The audit: one leaf for each thing that was decided or done, in the order of their commits, numbered from 0 without a gap. What a leaf says is not the
-- journal's to know, its time included. Nothing here is ever changed or removed.
CREATE TABLE audit (
    seq  INTEGER PRIMARY KEY,
    leaf BLOB NOT NULL
) STRICT;

-- The Merkle tree over the leaves: of each leaf its own hash, and behind it those of the subtrees that it completes, from the smallest to the largest,
-- 32 bytes each. They are numbered as golang.org/x/mod/sumdb/tlog does when they stand one behind the other.
CREATE TABLE audit_hash (
    seq    INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL CHECK (length(hashes) >= 32 AND length(hashes) % 32 = 0)
) STRICT;

-- Signed checkpoints: what the root of the tree over the first size leaves was.
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- What is longer than 64 KiB is in a file of the folder spool, and its size is here: such a row has NULL in place of the content.
ALTER TABLE output ADD COLUMN stdout_file TEXT;
ALTER TABLE output ADD COLUMN stdout_size INTEGER;
ALTER TABLE output ADD COLUMN stderr_file TEXT;
ALTER TABLE output ADD COLUMN stderr_size INTEGER;
CREATE UNIQUE INDEX output_stdout_file ON output (stdout_file) WHERE stdout_file IS NOT NULL;
CREATE UNIQUE INDEX output_stderr_file ON output (stderr_file) WHERE stderr_file IS NOT NULL;

-- Callbacks wait for their destination, so that one that does not answer holds up nobody else's. One that was asked for again has its attempts and its time
-- anew: earlier of its attempts were made before since. The large column comes last again.
CREATE TABLE delivery (
    seq         INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL UNIQUE CHECK (length(delivery_id) BETWEEN 1 AND 128),
    job         INTEGER NOT NULL REFERENCES job (seq),
    state       TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    created_at  INTEGER NOT NULL,
    next_at     INTEGER NOT NULL,
    settled_at  INTEGER CHECK ((settled_at IS NULL) = (state = 'pending')),
    since       INTEGER,
    attempt     INTEGER NOT NULL DEFAULT 0,
    earlier     INTEGER NOT NULL DEFAULT 0,
    status_code INTEGER NOT NULL DEFAULT 0,
    last_error  TEXT NOT NULL DEFAULT '',
    changes     TEXT NOT NULL DEFAULT '',
    destination TEXT NOT NULL,
    url         TEXT NOT NULL,
    body_sha256 BLOB CHECK (length(body_sha256) = 32), -- NULL: of before there were any
    body_file   TEXT,
    body_size   INTEGER, -- of the file
    body        BLOB
) STRICT;
INSERT INTO delivery (seq, delivery_id, job, state, created_at, next_at, settled_at, attempt, status_code, last_error, changes, destination, url, body)
    SELECT seq, delivery_id, job, state, created_at, next_at, settled_at, attempt, status_code, last_error, changes,
        substr(url, 1, instr(url, '://') + 1 + instr(substr(url, instr(url, '://') + 3) || '/', '/')), url, body FROM outbox;
DROP TABLE outbox;
ALTER TABLE delivery RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (destination, next_at, seq) WHERE state = 'pending';
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';
CREATE INDEX outbox_job ON outbox (job);
CREATE UNIQUE INDEX outbox_body_file ON outbox (body_file) WHERE body_file IS NOT NULL;

CREATE TABLE job_label (
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    job   INTEGER NOT NULL REFERENCES job (seq),
    PRIMARY KEY (name, value, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_label_job ON job_label (job);
CREATE INDEX job_accepted ON job (accepted_at);

-- How many bytes are stored of jobs, in rows and in files; retention goes by it. It is here while nobody writes: the first commit after a start makes it
-- NULL, so that not each one has to write it, and a journal that was not closed is counted at its next start.
ALTER TABLE meta ADD COLUMN stored INTEGER;
