package gateway

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"
)

// bodyTime is how long a caller may take to send the body of a request, replyTime how long to take a reply. Between the
// two there is no limit: a command takes as long as its own timeout allows.
const (
	bodyTime  = 15 * time.Second
	replyTime = 30 * time.Second
)

// Handler returns the routes that callers use. It is safe for concurrent use.
func (g *Gateway) Handler() http.Handler {
	// The router sees the path as it was sent: what is signed is what is matched, without cleaning or decoding.
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	router.HandleFunc("/", g.serveWelcome).Methods(http.MethodGet, http.MethodHead)
	router.HandleFunc("/shell", g.serveShell).Methods(http.MethodPost)
	router.NotFoundHandler = g.refuseWith(&Error{Code: NotFound, Message: "there is nothing here; commands go to POST /shell"})
	router.MethodNotAllowedHandler = g.refuseWith(&Error{Code: MethodNotAllowed, Message: "this method is not for this path; commands go to POST /shell"})
	return boundConnection(router)
}

// serveWelcome answers the connector's unsigned check that something is there.
func (g *Gateway) serveWelcome(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Welcome to Sidegate, a gateway for host commands\n* Version: %s\n* Release Date: %s\n", g.version, g.releaseDate)
}

// refuseWith answers every request with one refusal.
func (g *Gateway) refuseWith(refusal *Error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.reply(w, nil, refusal) })
}

// boundConnection gives every request a time by which its body has to be there, and takes away the deadline that the
// reply before it left on a connection that is kept. http.Server.ReadTimeout would go on counting while a command runs,
// and end the request's context in the middle of it.
func boundConnection(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An error means a writer without deadlines (a test's recorder), which has no connection to protect either.
		connection := http.NewResponseController(w)
		_ = connection.SetReadDeadline(time.Now().Add(bodyTime))
		_ = connection.SetWriteDeadline(time.Time{})
		next.ServeHTTP(w, r)
	})
}
