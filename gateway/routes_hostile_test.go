package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// rawCall is a request as it stands on the wire, and what is to become of it.
type rawCall struct {
	method, target string
	header         string // lines that end with \r\n
	body           string
	status         int
	reason         Code   // of a refusal
	says           string // in the answer
}

// raw sends a request over a connection of its own, with another one behind it, and returns the answer. The one behind has to be answered as what it is,
// or the connection closed.
func (h *house) raw(t *testing.T, x rawCall) (*http.Response, string) {
	t.Helper()
	length := ""
	if x.body != "" && !strings.Contains(x.header, "Transfer-Encoding") && !strings.Contains(x.header, "Content-Length") {
		length = fmt.Sprintf("Content-Length: %d\r\n", len(x.body))
	}
	_, in := h.plug(t, x.method+" "+x.target+" HTTP/1.1\r\nHost: g\r\n"+length+x.header+"\r\n"+x.body+"GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
	request := &http.Request{Method: x.method}
	res, err := http.ReadResponse(in, request)
	if err != nil {
		t.Fatalf("%s %s: %v", x.method, x.target, err)
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatalf("%s %s: %v after %q", x.method, x.target, err, text)
	}
	if res.Close {
		return res, string(text)
	}
	next, err := http.ReadResponse(in, nil)
	if err != nil || next.StatusCode != http.StatusOK || next.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s %s: the next request is answered with %+v, %v", x.method, x.target, next, err)
	}
	return res, string(text)
}

// expect sends a request and holds the answer to what is to become of it.
func (h *house) expect(t *testing.T, x rawCall) (*http.Response, string) {
	t.Helper()
	res, text := h.raw(t, x)
	var p problemReply
	if x.status >= http.StatusBadRequest && x.method != http.MethodHead {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Errorf("%s %s: %v in %q", x.method, x.target, err, text)
		}
	}
	if res.StatusCode != x.status || p.Reason != x.reason && x.method != http.MethodHead || !strings.Contains(text, x.says) {
		t.Errorf("%s %s %q: got %d %s, want %d %s with %q", x.method, x.target, x.header, res.StatusCode, text, x.status, x.reason, x.says)
	}
	return res, text
}

// TestHostileQueries: lists take what they have parameters for, in one way of writing it, and name what is wrong.
func TestHostileQueries(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	var labels []string
	for i := range maxLabels + 1 {
		labels = append(labels, fmt.Sprintf("label=l%d=x", i))
	}
	const status = "status: must be accepted, running, exited, signaled, timed_out, killed, failed or interrupted"
	for query, says := range map[string]string{
		"cursor=0": "cursor: must be next of an earlier page", "cursor=-1": "cursor: must be next", "cursor=x": "cursor: must be next", "cursor=1e3": "cursor: must be next",
		"cursor=99999999999999999999": "cursor: must be next", "cursor=%EF%BC%91": "cursor: must be next", "cursor=1%00": "cursor: must be next", "cursor=1'%20or%201=1": "cursor: must be next",
		"limit=0": "limit: must be from 1 to 1000", "limit=-5": "limit: must be", "limit=1001": "limit: must be", "limit=1.0": "limit: must be", "limit=0x10": "limit: must be",
		"limit=99999999999999999999": "limit: must be", "limit=1&limit=1": "limit: is given twice", "limit=": "limit: is empty",
		"status=Exited": status, "status=exited,": status, "status=,": status, "status=exited%20": status, "status=exited%00": status, "status=": "status: is empty",
		"label=app": "label: must be NAME=VALUE", "label==web": "label: must be NAME=VALUE", "label=a=1&label=a=2": "label: must be NAME=VALUE, and each name have one value", "label=": "label: is empty",
		"label=%ff=x": "label: must be UTF-8", strings.Join(labels, "&"): "label: may be given for 32 names at most",
		"since=yesterday": "since: must be a time such as", "since=2026-13-01T00:00:00Z": "since: must be", "since=2026-01-31": "since: must be", "since=0": "since: must be",
		"since=2026-01-31T12:00:00": "since: must be", "client=&limit=1": "client: is empty", "clients=a": "query: has the unknown parameter clients",
		"%00=1": "query: has the unknown parameter \uFFFD", "=1": "query: has the unknown parameter ", "x": "query: has the unknown parameter x",
		strings.Repeat("y", 10_000): "query: has the unknown parameter " + strings.Repeat("y", maxName) + "…", "limit=1;cursor=2": "query: is not valid", "limit=%zz": "query: is not valid",
	} {
		h.expect(t, rawCall{"GET", "/v1/jobs?" + query, "", "", 400, InvalidRequest, "invalid request: " + says})
	}
	for query, says := range map[string]string{
		"state=Dead": "state: must be pending, delivered or dead", "state=dead,pending": "state: must be", "state=dead&state=dead": "state: is given twice",
		"destination=func.test": "destination: ", "destination=ftp://func.test": "destination: ", "destination=http://u:p@func.test": "destination: ", "job=": "job: is empty",
	} {
		if _, text := h.expect(t, rawCall{"GET", "/v1/callbacks?" + query, "", "", 400, InvalidRequest, "invalid request: " + says}); strings.Contains(text, "u:p") {
			t.Errorf("it is repeated: %s", text)
		}
	}
	for _, target := range []string{"/v1/chains?x=1", "/v1?x=1"} {
		h.expect(t, rawCall{"GET", target, "", "", 400, InvalidRequest, "query: has the unknown parameter x"})
	}
	for _, target := range []string{"/v1/jobs?", "/v1/jobs?label=a=", "/v1/jobs?label=a=b%3Dc", "/v1/jobs?status=exited,failed&status=killed", "/v1/jobs?client=nobody", "/v1/chains?"} {
		h.expect(t, rawCall{"GET", target, "", "", 200, "", "{"})
	}
}

// TestHostilePaths: a path is what was sent, without cleaning or decoding, and an ID is text that a job has or has not.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	for _, target := range []string{
		"/v1/", "/v1//jobs", "/v1/./jobs", "/v1/../v1/jobs", "/v1/%2e%2e/v1/jobs", "/v1/jobs/", "/v1/jobs//", "/v1/%6Aobs", "/%76%31/jobs", "/v1%2Fjobs", "/v1/jobs/a/output", "/v1/jobs/a/output/stdin",
		"/v1/jobs/a/output/stdout/", "/v1/jobs/a/output/STDOUT", "/v1/jobs/a/output/std%6Fut", "/v1/openapi.json", "/v1/openapi.yaml/", "/v1/callbacks/a", "/v1/jobs%00", "/v1/" + strings.Repeat("a", 9000),
	} {
		h.expect(t, rawCall{"GET", target, "", "", 404, NotFound, "there is nothing here; commands go to POST /shell, and /v1/openapi.yaml describes all that there is"})
	}
	for _, id := range []string{
		"..", "%2e%2e", "%2F", "x%00", "%E2%9C%93", "%ff", "*", "'%20or%201=1--", "01890a5d-ac96-774b-bcce-b302099a8057", strings.Repeat("9", 9000), "-1", "%252e", "{id}", "a;b", "a%0d%0aX:%20y",
	} {
		h.expect(t, rawCall{"GET", "/v1/jobs/" + id, "", "", 404, NotFound, "there is no such job"})
		h.expect(t, rawCall{"DELETE", "/v1/jobs/" + id, "", "", 404, NotFound, "there is no such job"})
		h.expect(t, rawCall{"GET", "/v1/jobs/" + id + "/output/stdout?follow=true", "", "", 404, NotFound, "there is no such job"})
		h.expect(t, rawCall{"HEAD", "/v1/jobs/" + id + "/output/stderr", "", "", 404, "", ""})
		h.expect(t, rawCall{"POST", "/v1/callbacks/" + id + "/retry", "", "", 404, NotFound, "there is no such callback"})
	}
	// Elsewhere refusals are the connector's.
	for _, target := range []string{"/V1/jobs", "//v1/jobs", "/v1;x/jobs", "/v11", "/shell/"} {
		if res, text := h.raw(t, rawCall{method: "GET", target: target}); res.StatusCode != 404 || !strings.HasPrefix(text, `{"ok":false,`) {
			t.Errorf("%s: got %d %s", target, res.StatusCode, text)
		}
	}
	// A target with scheme and host, as for a proxy, is the same path.
	h.expect(t, rawCall{"GET", "http://elsewhere/v1/jobs", "", "", 200, "", `{"jobs":[]}`})
}

// TestHostileMethods: who takes another method is told which there are.
func TestHostileMethods(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", "/v1/jobs", "GET, POST"}, {"HEAD", "/v1/jobs", "GET, POST"}, {"OPTIONS", "/v1/jobs", "GET, POST"}, {"TRACE", "/v1/jobs/x", "DELETE, GET"}, {"get", "/v1/jobs", "GET, POST"},
		{"POST", "/v1/jobs/x", "DELETE, GET"}, {"DELETE", "/v1/jobs/x/output/stdout", "GET, HEAD"}, {"GET", "/v1/decisions", "POST"}, {"GET", "/v1/callbacks/x/retry", "POST"},
		{"POST", "/v1/openapi.yaml", "GET, HEAD"}, {"POST", "/v1", "GET"}, {"CONNECT", "/v1/chains", "GET"}, {"M-SEARCH", "/v1/callbacks", "GET"},
	} {
		res, _ := h.expect(t, rawCall{c.method, c.path, "", "", 405, MethodNotAllowed, ""})
		if got := res.Header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow is %q", c.method, c.path, got)
		}
	}
}

// TestHostileBodies: bodies where there are none, of other types, in pieces, with trailers, and such that look like the next request.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	const job = `{"argv": ["true"]}`
	const hidden = "GET /v1/jobs HTTP/1.1\r\nHost: g\r\n\r\n"
	chunked := func(body, trailer string) string {
		return fmt.Sprintf("%x\r\n%s\r\n0\r\n%s\r\n", len(body), body, trailer)
	}
	for _, x := range []rawCall{
		{"GET", "/v1/jobs", "", hidden, 400, InvalidRequest, "body: must be empty"},
		{"GET", "/v1/jobs/x", "", "{}", 400, InvalidRequest, "body: must be empty"},
		{"DELETE", "/v1/jobs/x", "", "{}", 400, InvalidRequest, "body: must be empty"},
		{"GET", "/v1/jobs/x/output/stdout", "", "x", 400, InvalidRequest, "body: must be empty"},
		{"GET", "/v1/chains", "", "x", 400, InvalidRequest, "body: must be empty"},
		{"GET", "/v1/openapi.yaml", "", "x", 400, InvalidRequest, "body: must be empty"},
		{"POST", "/v1/callbacks/x/retry", "", "{}", 400, InvalidRequest, "body: must be empty"},
		{"GET", "/v1/jobs", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", 400, InvalidRequest, "body: must be empty"},

		{"POST", "/v1/jobs", "Content-Type: text/plain\r\n", job, 415, UnsupportedMedia, "Content-Type: must be application/json, in UTF-8"},
		{"POST", "/v1/jobs", "Content-Type: application/x-www-form-urlencoded\r\n", hidden, 415, UnsupportedMedia, "Content-Type: must be"},
		{"POST", "/v1/jobs", "Content-Type: application/json; charset=latin1\r\n", job, 415, UnsupportedMedia, "Content-Type: must be"},
		{"POST", "/v1/jobs", "Content-Type: application/json, text/plain\r\n", job, 415, UnsupportedMedia, "Content-Type: must be"},
		{"POST", "/v1/jobs", "Content-Type: application/json\r\nContent-Type: text/plain\r\n", job, 415, UnsupportedMedia, "Content-Type: must be"},
		{"POST", "/v1/jobs", "Content-Type: application/jsonx\r\n", job, 415, UnsupportedMedia, "Content-Type: must be"},
		{"POST", "/v1/jobs", "Content-Type: ;\r\n", job, 415, UnsupportedMedia, "Content-Type: must be"},
		{"POST", "/v1/jobs", "Content-Encoding: gzip\r\n", job, 415, UnsupportedMedia, "Content-Encoding: is not supported"},
		{"POST", "/v1/jobs", "Content-Encoding:\r\n", job, 415, UnsupportedMedia, "Content-Encoding: is not supported"},
		{"POST", "/v1/jobs", "Content-Type: APPLICATION/Json; Charset=\"UTF-8\"\r\n", job, 202, "", "accepted"},
		{"POST", "/v1/jobs", "", job, 202, "", "accepted"},

		{"POST", "/v1/jobs", "Prefer: wait=soon\r\n", job, 400, InvalidRequest, "Prefer: wait must be a number of seconds"},
		{"POST", "/v1/jobs", "Accept: text/html\r\n", job, 406, NotAcceptable, "Accept: the answer would be application/json or text/event-stream"},
		{"POST", "/v1/decisions", "Accept: text/event-stream\r\n", job, 406, NotAcceptable, "Accept: the answer would be application/json,"},
		{"GET", "/v1/jobs", "Accept: text/html\r\n", "", 406, NotAcceptable, "Accept: "},
		{"POST", "/v1/jobs?wait=5", "", job, 400, InvalidRequest, "query: this route takes none"},
		{"POST", "/v1/jobs", "", `{"argv": ["true"], "wait": true}`, 400, InvalidRequest, "wait: is not a field of this object"},
		{"POST", "/v1/jobs", "", `{"argv": ["true"], "callback": {}}`, 400, InvalidRequest, "callback.url: is required"},
		{"POST", "/v1/jobs", "", job + hidden, 400, InvalidRequest, "body: must be one JSON object with nothing behind it"},
		{"POST", "/v1/jobs", "", "\xef\xbb\xbf" + job, 400, InvalidRequest, "body: is not valid JSON at byte 0"},

		{"POST", "/v1/jobs", "Transfer-Encoding: chunked\r\n", chunked(job, ""), 202, "", "accepted"},
		{"POST", "/v1/jobs", "Transfer-Encoding: chunked\r\nTrailer: Content-Type, X-Auth-Signature\r\n", chunked(job, "Content-Type: text/plain\r\nX-Auth-Signature: 00\r\n"), 202, "", "accepted"},
		{"POST", "/v1/jobs", "Transfer-Encoding: chunked\r\n", chunked(strings.Repeat(" ", 1<<20)+job, ""), 413, TooLarge, "limits.body"},
		{"POST", "/v1/jobs", "Content-Length: 1048577\r\n", hidden, 413, TooLarge, "limits.body"},
		{"POST", "/v1/jobs", "Content-Length: 1048577\r\nExpect: 100-continue\r\n", hidden, 413, TooLarge, "limits.body"},
	} {
		h.expect(t, x)
	}
	if listed := h.as(t, 0); listed != nil {
		var page listReply
		if _, text := ask(t, listed, "GET", "/v1/jobs", ""); json.Unmarshal([]byte(text), &page) != nil || len(page.Jobs) != 4 {
			t.Errorf("those who were refused left jobs: %s", text)
		}
	}
}

// TestHostileTransferEncoding: where the end of a body could be read in two ways, there is no next request.
func TestHostileTransferEncoding(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	for _, header := range []string{
		"Content-Length: 5\r\nContent-Length: 6\r\n", "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: x\r\n", "Content-Length: -1\r\n",
		"Content-Length: 0x5\r\n", "Content-Length: 99999999999999999999\r\n", "Content-Length : 5\r\n", "Transfer-Encoding : chunked\r\n",
	} {
		conn, in := h.plug(t, "POST /v1/jobs HTTP/1.1\r\nHost: g\r\n"+header+"\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: g\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != 400 && res.StatusCode != 501 || !res.Close {
			t.Errorf("%q: got %+v, %v", header, res, err)
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if more, err := http.ReadResponse(in, nil); err == nil {
			t.Errorf("%q: and then %+v", header, more)
		}
		conn.Close()
	}
}

// TestSlowBody: who takes too long to send a body is told so, and the connection closed, because what comes on it is no next request.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	h.bodyTime = 50 * time.Millisecond
	h.socket += "2"
	h.serve(t, func(l net.Listener) net.Listener { return l })
	_, in := h.plug(t, "POST /v1/jobs HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n{")
	res := reply(t, in, http.StatusRequestTimeout)
	text, err := io.ReadAll(res.Body)
	if err != nil || !res.Close || !strings.Contains(string(text), `"request_timeout"`) {
		t.Errorf("got %s, %v, close %v", text, err, res.Close)
	}
}

// TestHostileRanges: parts of an output, and what there is of none.
func TestHostileRanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	c := h.as(t, 0)
	id := create(t, c, `{"argv": ["echo", "0123456"]}`) // and a line feed
	ended(t, c, id)
	path := "/v1/jobs/" + id + "/output/stdout"
	res, _ := ask(t, c, "GET", path, "")
	tag := res.Header.Get("ETag")
	for _, x := range []struct {
		header string
		status int
		want   string // the bytes, or Content-Range of a refusal
	}{
		{"Range: bytes=0-0", 206, "0"}, {"Range: bytes=-3", 206, "56\n"}, {"Range: bytes=-99", 206, "0123456\n"}, {"Range: bytes=6-", 206, "6\n"}, {"Range: bytes=2-999", 206, "23456\n"},
		{"Range: BYTES=1-1", 206, "1"}, {"Range: bytes= 1-1", 206, "1"},
		{"Range: lines=1-2", 200, "0123456\n"}, {"Range: bytes", 416, ""}, {"Range: bytes=0-0,-0", 206, "*"}, {"Range: bytes=", 200, "0123456\n"}, {"Range: ", 200, "0123456\n"},
		{"Range: bytes=0-7,0-7", 200, "0123456\n"}, // more than there is: the whole
		{"Range: bytes=8-", 416, "bytes */8"}, {"Range: bytes=100-200", 416, "bytes */8"}, {"Range: bytes=-0", 416, "bytes */8"},
		{"Range: bytes=5-2", 416, ""}, {"Range: bytes=a-b", 416, ""}, {"Range: bytes=--1", 416, ""}, {"Range: bytes=0-99999999999999999999", 416, ""}, {"Range: bytes=1", 416, ""},
		{"Range: bytes=0-0\r\nIf-Range: " + tag, 206, "0"}, {"Range: bytes=0-0\r\nIf-Range: \"other\"", 200, "0123456\n"}, {"Range: bytes=100-\r\nIf-Range: \"other\"", 200, "0123456\n"},
		{"If-None-Match: " + tag, 304, ""}, {"If-None-Match: *", 304, ""}, {"If-None-Match: W/" + tag, 304, ""}, {"If-None-Match: \"other\"", 200, "0123456\n"}, {"If-None-Match: nonsense", 200, "0123456\n"},
		{"If-Match: " + tag, 200, "0123456\n"}, {"If-Match: *", 200, "0123456\n"}, {"If-Match: \"other\"", 412, ""}, {"If-Match: nonsense", 412, ""},
		{"If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT", 200, "0123456\n"}, {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200, "0123456\n"},
		{"Accept: text/plain", 406, ""}, {"Accept: text/event-stream", 406, ""}, {"Accept: application/*", 200, "0123456\n"},
	} {
		reason := map[int]Code{416: RangeUnsatisfiable, 412: PreconditionFailed, 406: NotAcceptable}[x.status]
		res, text := h.expect(t, rawCall{"GET", path, x.header + "\r\n", "", x.status, reason, ""})
		if x.status < 400 && text != x.want && x.want != "*" || x.status == 416 && res.Header.Get("Content-Range") != x.want {
			t.Errorf("%s: got %q, %v", x.header, text, res.Header)
		}
		if whole := res.Header.Get("Sidegate-Complete") == "true"; whole != (x.status < 400) {
			t.Errorf("%s: %v", x.header, res.Header)
		}
		want := x.status
		if want == 206 || want == 416 {
			want = 200 // ranges are for GET
		}
		if head, _ := h.raw(t, rawCall{method: "HEAD", target: path, header: x.header + "\r\n"}); head.StatusCode != want {
			t.Errorf("HEAD, %s: got %d", x.header, head.StatusCode)
		}
	}
	res, text := h.expect(t, rawCall{"GET", path, "Range: bytes=0-1,4-5\r\n", "", 206, "", "Content-Range: bytes 4-5/8\r\n"})
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/byteranges; boundary=") || !strings.Contains(text, "\r\n\r\n45\r\n") {
		t.Errorf("several ranges: %v %q", res.Header, text)
	}
	for header, says := range map[string]string{
		"": "offset: must be a number", "Last-Event-ID: 5": "offset: must be a number",
	} {
		h.expect(t, rawCall{"GET", path + "?offset=x", lineOf(header), "", 400, InvalidRequest, says})
	}
	for _, last := range []string{"x", "-1", "1.5", "99999999999999999999", "6\t7"} {
		h.expect(t, rawCall{"GET", path + "?follow=true", "Last-Event-ID: " + last + "\r\n", "", 400, InvalidRequest, "Last-Event-ID: must be a number of bytes"})
	}
	// Behind the end there is nothing, and that is no mistake.
	if events := eventsOf(t, c, path+"?follow=true&offset=9000000000000000000"); len(events) != 1 || events[0].name != "end" {
		t.Errorf("behind the end: %v", events)
	}
}

func lineOf(header string) string {
	if header == "" {
		return ""
	}
	return header + "\r\n"
}

// TestDescriptionIsServed: to everybody, whole, in parts, and not again to who has it.
func TestDescriptionIsServed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	stranger := h.as(t, 64_003)
	res, text := ask(t, stranger, "GET", "/v1/openapi.yaml", "", "Accept", "text/html")
	tag := res.Header.Get("ETag")
	if res.StatusCode != 200 || text != string(description) || res.Header.Get("Content-Type") != "application/yaml" || tag == "" {
		t.Errorf("got %d, %d bytes, %v", res.StatusCode, len(text), res.Header)
	}
	if res, text := ask(t, stranger, "GET", "/v1/openapi.yaml", "", "If-None-Match", tag); res.StatusCode != 304 || text != "" {
		t.Errorf("got %d %s", res.StatusCode, text)
	}
	if res, _ := ask(t, stranger, "HEAD", "/v1/openapi.yaml", ""); res.ContentLength != int64(len(description)) {
		t.Errorf("HEAD: %d bytes", res.ContentLength)
	}
	if res, _ := ask(t, stranger, "GET", "/v1/openapi.yaml", "", "Range", "bytes=99999999-"); res.StatusCode != 416 {
		t.Errorf("got %d", res.StatusCode)
	}
	res, text = ask(t, stranger, "GET", "/v1", "")
	if res.StatusCode != 200 || !strings.Contains(text, `"openapi":"/v1/openapi.yaml"`) || !strings.Contains(res.Header.Get("Link"), `</v1/openapi.yaml>; rel="service-desc"`) {
		t.Errorf("got %d %s, %v", res.StatusCode, text, res.Header)
	}
}
