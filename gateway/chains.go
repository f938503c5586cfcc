package gateway

import (
	"net/http"

	"github.com/sidegate/sidegate/wasm"
)

// chainsReply is what GET /v1/chains answers; docs/api.md describes it.
type chainsReply struct {
	Generation uint64              `json:"generation"` // counts the sets of plugins, from 1
	Stages     []wasm.Stage        `json:"stages"`
	Plugins    []wasm.PluginStatus `json:"plugins"`
}

// serveChains shows in which order a message goes through the gateway's own stages and the plugins between them, and how
// the plugins fare. It says nothing of what they are configured with.
func (g *Gateway) serveChains(w http.ResponseWriter, r *http.Request) {
	if _, err := queryOf(r); err != nil {
		g.unread(w, err)
		return
	}
	reply := chainsReply{Stages: wasm.Set{}.Order(), Plugins: []wasm.PluginStatus{}}
	if g.plugins != nil {
		reply.Generation, _ = g.plugins.Generation()
		reply.Stages = g.plugins.Order()
		reply.Plugins = append(reply.Plugins, g.plugins.Status()...)
	}
	// Readers may rely on the types that are described: nothing is null.
	for i := range reply.Plugins {
		p := &reply.Plugins[i]
		p.Phases, p.Chains = append([]wasm.Phase{}, p.Phases...), append([]string{}, p.Chains...)
		if p.Failures == nil {
			p.Failures = map[wasm.Kind]uint64{}
		}
	}
	g.send(w, http.StatusOK, mediaJSON, reply)
}
