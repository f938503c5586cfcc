package gateway

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/gorilla/mux"
)

// serveProfiles adds Go's profiles. Taking one may take longer than other replies may.
func serveProfiles(router *mux.Router) {
	for path, serve := range map[string]http.HandlerFunc{"cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace} {
		router.HandleFunc("/debug/pprof/"+path, unhurried(serve)).Methods(http.MethodGet)
	}
	router.PathPrefix("/debug/pprof/").HandlerFunc(unhurried(pprof.Index)).Methods(http.MethodGet)
}

// unhurried lets a reply take as long as it takes.
func unhurried(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		serve(w, r)
	}
}
