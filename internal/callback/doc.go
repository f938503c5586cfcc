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
// Where a delivery goes is checked again at every attempt, because the
// configuration may have changed since the delivery was stored. The address it
// resolves to is the business of the HTTP client, which is expected to have a
// dial guard.
//
// # Many receivers
//
// A receiver that hangs or fails can hold only some of the attempts that may
// run at once. And when the front of the queue is nothing but deliveries for
// such a receiver, they are moved back by up to a minute, without counting as
// attempts, so that those behind them are seen.
//
// # What is kept out of errors and logs
//
// URLs are often bearer secrets in their path or query, and answers are written
// by somebody else. So the errors and logs of this package hold scheme, host
// and port, status numbers, and failures of the connection; no path, no query,
// and nothing that a receiver wrote in an answer.
package callback
