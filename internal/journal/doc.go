// Package journal is what a gateway remembers: used nonces, jobs with their outputs, callbacks not yet delivered, and the audit. It keeps them in one SQLite
// file in WAL mode with synchronous=FULL, and every method that changes something returns only after the change is on disk. One goroutine writes:
// it commits all operations that wait at the same time with a single fsync, and a refused one harms no other. Readers have connections of their own and
// never wait for the writer.
//
// Four commits make the promise that nothing acknowledged is lost and nothing runs twice: Admit before a job is promised or started (A), Begin before
// its process is created (B), Finish before its outcome is told (C), Settle before a callback is forgotten (D). What the audit says of each is part of the
// same commit: leaves, opaque here, and the hashes of the Merkle tree over them.
//
// Outputs and messages of more than 64 KiB are in files of the folder spool, which are on disk before the commit that names them. When the disk is full, what
// runs can still be recorded: first in room that the WAL owns behind its end, its headroom, and then in that of a file that only takes room, the ballast, which
// is given up.
//
// Times are stored as integer microseconds since the Unix epoch in UTC; what is finer is cut off.
package journal
