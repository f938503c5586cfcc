// Package callback tells a receiver that a job has ended, at least once. It
// reads a destination from what a caller wrote ([ParseDestination]), compares
// it with what the configuration allows ([Allowlist]), and delivers what waits
// in a durable store until the receiver has acknowledged it ([Deliverer]).
//
// # Delivery
//
// A delivery is an HTTP POST of a JSON body. Any 2xx answer acknowledges it;
// everything else is tried again, and redirects are not followed. After attempt
// n the wait is drawn evenly from the upper half of 10 s · 2^(n-1), which is at
// most 2 h. The lower bound is deliberate: with the default of 12 attempts they
// span from 2.4 to 4.8 hours, whatever is drawn, so an hour in which a receiver
// is down loses nothing. A Retry-After with 429 or 503 makes the wait longer,
// to 2 h at most. A delivery is dead after its last attempt, or when the next
// one would come later than the maximal age.
//
// The outcome of an attempt is committed to the store before the delivery is
// let go. A receiver may still get the same delivery twice, when the gateway
// ends between the two; it can tell by the X-Sidegate-Delivery header, which is
// the same in every attempt.
//
// A delivery can be asked for again ([Deliverer.Retry]), also when it is dead. It
// is due at once then, and has its attempts and its time anew.
//
// Where a delivery goes is checked again at every attempt, because the
// configuration may have changed since the delivery was stored. The address it
// resolves to is the business of the HTTP client, which is expected to have a
// dial guard.
//
// Attempts can be signed, with HMAC-SHA256 over the delivery's ID, the time and
// the body. docs/callbacks.md has what receivers need to know.
//
// # Many destinations
//
// What waits is kept apart by destination: scheme, host and port. The store is
// asked for the destinations that something waits for, once at the start and
// once a minute; what is added in between is told by [Deliverer.Wake]. Each has a
// lane in memory, of some 200 bytes, which knows when something is due there. So
// how much waits for one destination costs another nothing.
//
// A place for an attempt is given to the lane with the fewest under way, and of
// these to the one that waited longest. A lane has at most PerDestination. Those
// whose last attempt was not answered, or that had none, have half of all places
// together, so that the others go on while these hang. Three failures in a row to
// get a connection give a lane a pause of 1 s, which doubles up to 30 s; after it
// a single one is tried. A delivery that is alone is never held up by it.
// An answer of whatever kind, and none over a connection, cause no pause: that
// may be due to a path of the receiver, and others should not wait for it.
//
// Bodies are not read into memory, unless they are small or transformed. Large
// ones are few at once.
//
// # What is kept out of errors and logs
//
// URLs are often bearer secrets in their path or query, and answers are written
// by somebody else. So the errors and logs of this package hold scheme, host
// and port, status numbers, and failures of the connection; no path, no query,
// and nothing that a receiver wrote in an answer.
package callback
