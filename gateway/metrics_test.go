package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestAnswersWithoutHead: an answer whose head package http writes is counted as what it is.
func TestAnswersWithoutHead(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	var class, code string
	g.metrics.Request = func(_, _, c, of string, _ time.Duration) { class, code = c, of }
	for path, want := range map[string]string{"/": "2xx", "/v1/openapi.yaml": "2xx", "/nowhere": "4xx"} {
		g.router().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		if class != want {
			t.Errorf("GET %s is counted as %s, %s", path, class, code)
		}
	}
}
