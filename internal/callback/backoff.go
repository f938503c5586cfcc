package callback

import (
	"math/rand/v2"
	"time"
)

// The bounds of the wait between two attempts; doc.go has the arithmetic.
const (
	firstDelay = 10 * time.Second
	maxDelay   = 2 * time.Hour
)

// The bounds of the wait after the store failed.
const (
	firstStoreDelay = time.Second
	maxStoreDelay   = time.Minute
)

// attemptDelay returns the wait after the n-th attempt, counted from 1.
func attemptDelay(n int) time.Duration {
	return jitter(doubled(firstDelay, n, maxDelay))
}

// doubled returns first · 2^(n-1), and limit where that is more.
func doubled(first time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 1 && first < limit; n-- {
		first *= 2
	}
	return min(first, limit)
}

// jitter draws from the upper half of d, so that what failed at once does not
// come back at once.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// A backoff counts failures in a row. It is not safe for concurrent use.
type backoff struct{ failures int }

func (b *backoff) reset() { b.failures = 0 }

func (b *backoff) next() time.Duration {
	b.failures++
	return jitter(doubled(firstStoreDelay, b.failures, maxStoreDelay))
}
