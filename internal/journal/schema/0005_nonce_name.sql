-- Who reads the file finds in it what it is called elsewhere.
ALTER TABLE nonce RENAME COLUMN value TO nonce;
