package gateway

import (
	"net/http"

	"github.com/sidegate/sidegate/wasm"
)

// serveChains shows in which order a message goes through the gateway's own stages and the plugins between them, and how
// the plugins fare. It says nothing of what they are configured with.
func (g *Gateway) serveChains(w http.ResponseWriter, _ *http.Request) {
	reply := struct {
		Generation uint64              `json:"generation"` // counts the sets of plugins, from 1
		Stages     []wasm.Stage        `json:"stages"`
		Plugins    []wasm.PluginStatus `json:"plugins"`
	}{Stages: wasm.Set{}.Order(), Plugins: []wasm.PluginStatus{}}
	if g.plugins != nil {
		reply.Generation, _ = g.plugins.Generation()
		reply.Stages, reply.Plugins = g.plugins.Order(), g.plugins.Status()
	}
	g.send(w, http.StatusOK, mediaJSON, reply)
}
