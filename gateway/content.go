package gateway

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// inBytes takes Range off a request where it counts in something else than bytes, and off any but GET, as RFC 9110, 14.2 demands. It writes the unit as
// package http knows it.
func inBytes(r *http.Request) *http.Request {
	asked := r.Header.Get("Range")
	unit, ranges, _ := strings.Cut(asked, "=")
	if asked == "" || r.Method == http.MethodGet && unit == "bytes" {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Range")
	if r.Method == http.MethodGet && strings.EqualFold(unit, "bytes") {
		r.Header.Set("Range", "bytes="+ranges)
	}
	return r
}

// serveContent is http.ServeContent, whose refusals are those of the native API.
func (g *Gateway) serveContent(w http.ResponseWriter, r *http.Request, content io.ReadSeeker) {
	http.ServeContent(&contentWriter{ResponseWriter: w, g: g}, r, "", time.Time{}, content)
}

// contentWriter sends a refusal in place of what http.ServeContent answers where it has none of the content to send.
type contentWriter struct {
	http.ResponseWriter
	g       *Gateway
	refused bool
}

// Unwrap is for [http.ResponseController].
func (w *contentWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *contentWriter) WriteHeader(status int) {
	if span := w.Header().Get("Content-Range"); status == http.StatusPartialContent && span != "" && w.Header().Get("Content-Length") == "0" {
		// The last 0 bytes, which package http sends as a range that ends before it begins.
		_, size, _ := strings.Cut(span, "/")
		w.Header().Set("Content-Range", "bytes */"+size)
		status = http.StatusRequestedRangeNotSatisfiable
	}
	if status < http.StatusBadRequest {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	refusal := &Error{Code: Internal, Message: "the gateway failed; its log says why"}
	switch status {
	case http.StatusPreconditionFailed:
		refusal = &Error{Code: PreconditionFailed, Message: "If-Match: what there is has another ETag; fetch it anew"}
	case http.StatusRequestedRangeNotSatisfiable:
		w.Header().Del("ETag") // as package http does
		refusal = &Error{Code: RangeUnsatisfiable, Message: "Range: must be bytes=FIRST-LAST, within what there is"}
	default:
		w.g.log.Error("content was not sent", "status", status)
	}
	w.refused = true
	for _, header := range []string{headerComplete, headerTruncated, "Content-Length", "Accept-Ranges", "X-Content-Type-Options"} {
		w.Header().Del(header)
	}
	w.g.problem(w.ResponseWriter, refusal)
}

// Write implements http.ResponseWriter.
func (w *contentWriter) Write(b []byte) (int, error) {
	if w.refused { // with words of its own
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}
