package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
)

// receiver stands for Func's own API: it takes callbacks.
type receiver struct {
	url    string
	server *http.Server
	got    chan delivered
}

// delivered is one callback as it arrived.
type delivered struct {
	Kwargs struct {
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
	} `json:"kwargs"`
	delivery      string
	authorization string
}

func receive() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + l.Addr().String(), got: make(chan delivered, 8)}
	r.server = &http.Server{Handler: r}
	go func() { _ = r.server.Serve(l) }()
	return r, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	d := delivered{delivery: req.Header.Get("X-Sidegate-Delivery"), authorization: req.Header.Get("Authorization")}
	if err := json.NewDecoder(req.Body).Decode(&d); err != nil || req.Method != http.MethodPost {
		http.Error(w, "not a callback", http.StatusBadRequest)
		return
	}
	r.got <- d
}

// next waits for the next callback.
func (r *receiver) next(ctx context.Context) (delivered, error) {
	select {
	case d := <-r.got:
		return d, nil
	case <-ctx.Done():
		return delivered{}, fmt.Errorf("no callback came: %w", ctx.Err())
	}
}

func (r *receiver) close() { _ = r.server.Close() }
