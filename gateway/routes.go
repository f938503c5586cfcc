package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// bodyTime is how long a caller may take to send the body of a request, replyTime how long to take a reply. Between the
// two there is no limit: a command takes as long as its own timeout allows.
const (
	bodyTime  = 15 * time.Second
	replyTime = 30 * time.Second
)

// Handler returns the routes that callers use. It is safe for concurrent use. Each one that it returns counts its own calls, for Limits.Calls.
func (g *Gateway) Handler() http.Handler { return g.boundConnection(g.boundCalls(g.router())) }

// router has the routes that openapi.yaml describes.
func (g *Gateway) router() *mux.Router {
	// The router sees the path as it was sent: what is signed is what is matched, without cleaning or decoding.
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for path, methods := range map[string]map[string]http.HandlerFunc{
		"/":                {http.MethodGet: g.serveWelcome, http.MethodHead: g.serveWelcome},
		"/shell":           {http.MethodPost: g.serveShell},
		"/v1":              {http.MethodGet: g.plain(g.serveIndex)},
		"/v1/openapi.yaml": {http.MethodGet: g.bodiless(g.serveDescription), http.MethodHead: g.bodiless(g.serveDescription)},

		"/v1/decisions": {http.MethodPost: g.accepts(g.serveDecision, mediaPlain)},
		// Func's signature is for the routes above; those below are for who signs the whole message, and for processes of this host.
		"/v1/jobs":      {http.MethodPost: g.serveCreate, http.MethodGet: g.plain(g.serveList)},
		"/v1/jobs/{id}": {http.MethodGet: g.plain(g.serveJob), http.MethodDelete: g.plain(g.serveCancel)},
		"/v1/jobs/{id}/output/{stream:(?:stdout|stderr)}": {http.MethodGet: g.bodiless(g.serveOutput), http.MethodHead: g.bodiless(g.serveOutput)},
		"/v1/callbacks":            {http.MethodGet: g.plain(g.serveCallbacks)},
		"/v1/callbacks/{id}/retry": {http.MethodPost: g.plain(g.serveRetry)},

		"/v1/chains": {http.MethodGet: g.plain(g.forOperators(g.serveChains))},
	} {
		for method, serve := range methods {
			router.HandleFunc(path, g.counted(path, serve)).Methods(method)
		}
		router.HandleFunc(path, g.counted(path, g.refuseMethod(slices.Sorted(maps.Keys(methods)))))
	}
	router.NotFoundHandler = g.counted(anyOther, g.refuseWith(&Error{Code: NotFound, Message: "there is nothing here; commands go to POST /shell, and " +
		descriptionPath + " describes all that there is"}))
	return router
}

// serveWelcome answers the connector's unsigned check that something is there.
func (g *Gateway) serveWelcome(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Welcome to Sidegate, a gateway for host commands\n* Version: %s\n* Release Date: %s\n", g.version, g.releaseDate)
}

// refuseMethod answers methods that a path does not have.
func (g *Gateway) refuseMethod(allowed []string) http.HandlerFunc {
	allow := strings.Join(allowed, ", ")
	refuse := g.refuseWith(&Error{Code: MethodNotAllowed, Message: "this path takes " + allow + " only"})
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		refuse(w, r)
	}
}

// refuseWith answers every request with one refusal.
func (g *Gateway) refuseWith(refusal *Error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/") {
			g.problem(w, refusal)
			return
		}
		g.reply(w, nil, refusal)
	}
}

// boundConnection gives every request a time by which its body has to be there and its reply be taken. A route whose work
// may take longer lifts both once it has the body. http.Server's ReadTimeout and WriteTimeout would go on counting while a
// command runs, and end the request in the middle of it.
func (g *Gateway) boundConnection(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An error means a writer without deadlines (a test's recorder), which has no connection to protect either.
		connection := http.NewResponseController(w)
		_ = connection.SetReadDeadline(time.Now().Add(g.bodyTime))
		_ = connection.SetWriteDeadline(time.Now().Add(g.bodyTime + g.replyTime))
		next.ServeHTTP(w, r)
	})
}
