package gateway

import (
	"net/http"
	"strconv"
	"strings"
)

// mediaPlain is mediaJSON without its parameter, which JSON does not have, and which callers expect all the same.
const mediaPlain = "application/json"

// acceptance is what a caller wants the answer to be: its Accept headers.
type acceptance struct {
	ranges []mediaRange
	given  bool // they say something
}

// mediaRange is one element of Accept (RFC 9110, 12.5.1).
type mediaRange struct {
	major, minor string  // "*" is any
	quality      float64 // 0 is: not this
}

// acceptanceOf reads the headers. What is not understood of them is passed over: programs in wide use send what the RFC does not have, Java's own client
// for one ("*; q=.2"), and whoever names nothing that there is gets 406 in any case.
func acceptanceOf(h http.Header) acceptance {
	var all acceptance
	for _, header := range h.Values("Accept") {
		all.given = all.given || strings.TrimSpace(header) != ""
		for element := range strings.SplitSeq(header, ",") {
			media, parameters, _ := strings.Cut(strings.ToLower(element), ";")
			major, minor, _ := strings.Cut(strings.TrimSpace(media), "/")
			if major == "*" && minor == "" {
				minor = "*"
			}
			if major == "" || minor == "" || major == "*" && minor != "*" {
				continue
			}
			m := mediaRange{major, minor, 1}
			for parameter := range strings.SplitSeq(parameters, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
				if q, err := strconv.ParseFloat(value, 64); name == "q" && err == nil && q >= 0 && q <= 1 {
					m.quality = q
				}
			}
			all.ranges = append(all.ranges, m)
		}
	}
	return all
}

// quality is how much a media type is wanted, from 0 to 1: what the most specific range says of it. Who says nothing takes everything. named tells whether
// the type was named in full.
func (a acceptance) quality(media string) (quality float64, named bool) {
	if !a.given {
		return 1, false
	}
	major, minor, _ := strings.Cut(media, "/")
	best := -1
	for _, m := range a.ranges {
		specific := 0
		switch {
		case m.major == major && m.minor == minor:
			specific = 2
		case m.major == major && m.minor == "*":
			specific = 1
		case m.major != "*":
			continue
		}
		if specific > best {
			best, quality = specific, m.quality
		}
	}
	return quality, best == 2
}

// acceptable refuses to answer callers that take nothing of these types, before anything is done for them.
func acceptable(h http.Header, offered ...string) error {
	a := acceptanceOf(h)
	for _, media := range offered {
		if q, _ := a.quality(media); q > 0 {
			return nil
		}
	}
	return &Error{Code: NotAcceptable, Message: "Accept: the answer would be " + strings.Join(offered, " or ") + ", and refusals are " + mediaProblem}
}

// wantsEvents tells whether a caller that can have either wants events and not JSON.
func (a acceptance) wantsEvents() bool {
	events, named := a.quality(mediaEvents)
	plain, _ := a.quality(mediaPlain)
	return events > plain || named && events > 0 && events == plain
}

// accepts wraps a route that answers with one of these types.
func (g *Gateway) accepts(next http.HandlerFunc, offered ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := acceptable(r.Header, offered...); err != nil {
			g.problem(w, g.refusal(err))
			return
		}
		next(w, r)
	}
}

// bodiless wraps a route whose requests have no body: one that was sent all the same meant something else.
func (g *Gateway) bodiless(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			g.problem(w, invalid(&FieldError{"body", "must be empty"}))
			return
		}
		next(w, r)
	}
}

// plain wraps a route that takes no body and answers with JSON.
func (g *Gateway) plain(next http.HandlerFunc) http.HandlerFunc {
	return g.bodiless(g.accepts(next, mediaPlain))
}
