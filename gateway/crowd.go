package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// mostArriving is how many bytes of bodies may be on their way in at once: of all callers together, because nobody knows who sends a body until it is there and its
// signature is verified. It is far above what honest callers need, who send a body in one piece.
const mostArriving = 256 << 20

var errArriving = errors.New("gateway: too many bodies are arriving")

// boundCalls refuses calls beyond Limits.Calls. A listener that takes so many connections bounds calls of HTTP/1.1, each of which has one; a connection of HTTP/2
// carries many, and without a bound of their own somebody without a secret could have the gateway hold as many bodies as it has memory for.
func (g *Gateway) boundCalls(next http.Handler) http.Handler {
	most := int64(g.limits.Calls)
	if most == 0 {
		return next
	}
	var inside atomic.Int64
	refuse := g.counted(anyOther, g.refuseWith(overloaded()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer inside.Add(-1)
		if inside.Add(1) > most {
			refuse(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// An arrival reads a body that is on its way in, and counts what is there of it. It is to be ended with its method over, by when the body is there or refused.
type arrival struct {
	from  io.Reader
	g     *Gateway
	taken int64
}

// Read implements io.Reader.
func (a *arrival) Read(b []byte) (int, error) {
	n, err := a.from.Read(b)
	a.taken += int64(n)
	if a.g.arriving.Add(int64(n)) > mostArriving {
		return n, errArriving
	}
	return n, err
}

func (a *arrival) over() { a.g.arriving.Add(-a.taken) }

func overloaded() *Error {
	return &Error{Code: Overloaded, Message: "more calls come in at once than the gateway takes, so nothing was run: wait, and send the same request again", RetryAfter: time.Second}
}
