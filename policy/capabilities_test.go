package policy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A policy that calls what reaches outside does not compile, and the last good
// one goes on deciding.
func TestWithheldBuiltins(t *testing.T) {
	t.Parallel()
	calls := map[string]string{
		"http.send":          `http.send({"method": "get", "url": "http://127.0.0.1/"}).status_code == 200`,
		"net.lookup_ip_addr": `count(net.lookup_ip_addr("localhost")) > 0`,
		"opa.runtime":        `opa.runtime().env.PATH != ""`,
		"rand.intn":          `rand.intn("x", 10) > 5`,
		"rego.parse_module":  `is_object(rego.parse_module("x.rego", "package x"))`,
		"uuid.rfc4122":       `uuid.rfc4122("x") != ""`,
	}
	for _, name := range withheld {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rego := answers(strings.Replace(fine, "true", calls[name], 1))
			e, changes, dir := openFiles(t, map[string]string{"p.rego": allows("good")})
			before := e.Status().Revision
			write(t, dir, map[string]string{"p.rego": rego})
			s := await(t, changes, broken)
			if !s.Ready || s.Revision != before || !strings.Contains(s.LastError.Error(), "undefined function "+name) ||
				!strings.Contains(s.LastError.Error(), "p.rego:3") {
				t.Fatalf("status %+v", s)
			}
			if d := decide(t, e, oneCommand()); !d.Allow || d.Grants[0] != "good" {
				t.Errorf("decision %+v", d)
			}
			allowed, _ := open(t, Config{Paths: []string{dir}, AllowBuiltins: []string{name}})
			if !allowed.Status().Ready {
				t.Errorf("allowed by configuration: %v", allowed.Status().LastError)
			}
		})
	}
}

// json.match_schema follows references to other hosts unless it is told not to.
func TestSchemaReferencesAreNotFetched(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, _ = w.Write([]byte(`{"type": "object"}`))
	}))
	defer server.Close()
	e, _, _ := openFiles(t, map[string]string{"p.rego": answers(strings.Replace(fine, "true",
		`json.match_schema({}, {"$ref": "`+server.URL+`/schema.json"})[0]`, 1))})
	d := decide(t, e, oneCommand())
	if d.Allow || fetched.Load() != 0 {
		t.Errorf("fetched %d times; decision %+v", fetched.Load(), d)
	}
}

func TestOfficeHoursAndAddressesRemain(t *testing.T) {
	t.Parallel()
	e, _, _ := openFiles(t, map[string]string{"p.rego": answers(strings.Replace(fine, "true",
		`net.cidr_contains("172.17.0.0/16", input.request.source_ip)`, 1)) + "\nnow := time.now_ns()\n"})
	if d := decide(t, e, oneCommand()); !d.Allow {
		t.Errorf("decision %+v", d)
	}
}
