-- What was done to the message of the last attempt, as JSON.
ALTER TABLE outbox ADD COLUMN changes TEXT NOT NULL DEFAULT '';
