// Package journal is what a gateway remembers: used nonces, jobs with their outputs, and callbacks not yet delivered. It keeps them in one SQLite
// file in WAL mode with synchronous=FULL, and every method that changes something returns only after the change is on disk. One goroutine writes:
// it commits all operations that wait at the same time with a single fsync, each in a savepoint of its own, so that a refused one harms no other.
// Readers have connections of their own and never wait for the writer.
//
// Four commits make the promise that nothing acknowledged is lost and nothing runs twice: Admit before a job is promised or started (A), Begin before
// its process is created (B), Finish before its outcome is told (C), Settle before a callback is forgotten (D).
//
// Times are stored as integer microseconds since the Unix epoch in UTC; what is finer is cut off.
package journal
