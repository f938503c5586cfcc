package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// A behaviour is how a receiver of callbacks does.
type behaviour string

const (
	takes   behaviour = "takes"
	refuses behaviour = "refuses" // answers 500
	hangs   behaviour = "hangs"   // does not answer
)

// receiver takes callbacks. It is safe for concurrent use.
type receiver struct {
	url    string
	server *httptest.Server
	leave  chan struct{}

	mu      sync.Mutex
	awaited map[string]chan struct{} // by path; each is closed when its callback has come
}

func receive(b behaviour) *receiver {
	r := &receiver{awaited: map[string]chan struct{}{}, leave: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		switch b {
		case refuses:
			http.Error(w, "not now", http.StatusInternalServerError)
		case hangs:
			select {
			case <-req.Context().Done():
			case <-r.leave:
			}
		default:
			r.mu.Lock()
			defer r.mu.Unlock()
			if come := r.awaited[req.URL.Path]; come != nil {
				close(come)
				delete(r.awaited, req.URL.Path) // it may come again
			}
		}
	}))
	r.url = r.server.URL
	return r
}

// await returns what is closed when a callback has come to a path.
func (r *receiver) await(path string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	come := make(chan struct{})
	r.awaited[path] = come
	return come
}

func (r *receiver) close() {
	close(r.leave)
	r.server.Close()
}
