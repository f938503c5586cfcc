-- Nonces in the order of their arrival. That no two are the same the writer makes sure, which knows them all: an index of what is random changes another
-- page for nearly every nonce, and each of them had to be written to disk with every commit.
CREATE TEMP TABLE kept AS SELECT value, client, signed_at, expires FROM main.nonce;
DROP TABLE main.nonce;
CREATE TABLE main.nonce (
    seq       INTEGER PRIMARY KEY,
    value     BLOB NOT NULL CHECK (length(value) = 16),
    client    TEXT NOT NULL,
    signed_at INTEGER NOT NULL,
    expires   INTEGER NOT NULL
) STRICT;
INSERT INTO main.nonce (value, client, signed_at, expires) SELECT value, client, signed_at, expires FROM temp.kept ORDER BY signed_at, value;
DROP TABLE temp.kept;
