package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm/guest"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/large":
			_, _ = w.Write(make([]byte, maxFetched+1))
		case "/most":
			_, _ = w.Write(make([]byte, maxFetched))
		default:
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, "%s %s", r.Method, body)
		}
	}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	allows, err := allowsPrefix([]string{server.URL + "/"})
	if err != nil {
		t.Fatal(err)
	}
	f := fetcher{server.Client().Do, allows}
	with := func(name, value string) guest.FetchRequest {
		return guest.FetchRequest{Method: "GET", URL: server.URL + "/", Headers: map[string]string{name: value}}
	}
	for _, test := range []struct {
		name    string
		request guest.FetchRequest
		want    string // status, X-Seen and body; or the error
		refused bool
	}{
		{"get", guest.FetchRequest{Method: "GET", URL: server.URL + "/"}, "418  GET ", false},
		{"post", guest.FetchRequest{Method: "POST", URL: server.URL + "/x", Headers: map[string]string{"authorization": "Bearer x"}, Body: "text"}, "418 Bearer x POST text", false},
		{"elsewhere", guest.FetchRequest{Method: "GET", URL: "http://169.254.169.254/"}, "guest: fetch refused: is not allowed", true},
		{"connect", guest.FetchRequest{Method: "CONNECT", URL: server.URL + "/"}, "guest: fetch refused: there is no such method", true},
		{"lower case", guest.FetchRequest{Method: "get", URL: server.URL + "/"}, "guest: fetch refused: there is no such method", true},
		{"smuggled line", guest.FetchRequest{Method: "GET / HTTP/1.1\r\nX: y", URL: server.URL + "/"}, "guest: fetch refused: there is no such method", true},
		{"Host", with("host", "evil"), "guest: fetch refused: a header is not allowed", true},
		{"Connection", with("Connection", "x"), "guest: fetch refused: a header is not allowed", true},
		{"X-Sidegate", with("X-Sidegate-Delivery", "x"), "guest: fetch refused: a header is not allowed", true},
		{"line end", with("A", "x\r\nB: y"), "guest: fetch refused: a header is not allowed", true},
		{"bad name", with("A b", "x"), "guest: fetch refused: a header is not allowed", true},
		{"twice", guest.FetchRequest{Method: "GET", URL: server.URL + "/", Headers: map[string]string{"a": "1", "A": "2"}}, "guest: fetch refused: a header is not allowed", true},
		{"many", with("A", strings.Repeat("x", maxHeaderBytes)), "guest: fetch refused: there are too many headers", true},
		{"too large", guest.FetchRequest{Method: "GET", URL: server.URL + "/large"}, errTooLarge.Error(), false},
	} {
		response, err := f.fetch(t.Context(), test.request)
		got := fmt.Sprintf("%d %s %s", response.Status, strings.Join(response.Headers["X-Seen"], ""), response.Body)
		if err != nil {
			got = err.Error()
		}
		if got != test.want || errors.Is(err, guest.ErrFetchRefused) != test.refused {
			t.Errorf("%s: got %q, %v", test.name, got, err)
		}
	}
	if response, err := f.fetch(t.Context(), guest.FetchRequest{Method: "GET", URL: server.URL + "/most"}); err != nil || len(response.Body) != maxFetched {
		t.Errorf("the largest answer: %d bytes, %v", len(response.Body), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.fetch(ctx, with("A", "x")); !errors.Is(err, context.Canceled) || errors.Is(err, guest.ErrFetchRefused) {
		t.Errorf("cancelled: %v", err)
	}
}
