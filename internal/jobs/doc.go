// Package jobs decides who runs when. A Queue holds a fixed number of slots, in which jobs run, and a bounded line of places in which they wait,
// from which clients are served in turns. It lives in memory only: what must survive the process is in the journal, and after a restart the caller enqueues it
// again. A caller takes a Place before it commits a job and uses it afterwards, so that a job is never promised that the queue would have to refuse.
package jobs
