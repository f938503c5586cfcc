package gateway

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"
)

// description is the OpenAPI document of all routes of [Gateway.Handler].
//
//go:embed openapi.yaml
var description []byte

// descriptionPath is where it is served.
const descriptionPath = "/v1/openapi.yaml"

// mediaYAML is the type of YAML (RFC 9512).
const mediaYAML = "application/yaml"

var descriptionTag = sync.OnceValue(func() string {
	digest := sha256.Sum256(description)
	return strconv.Quote(hex.EncodeToString(digest[:]))
})

// serveDescription sends the document to everybody, without a signature: tools that read such documents sign nothing, and it says nothing of this gateway.
// It is the same file in every copy of this version.
func (g *Gateway) serveDescription(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", mediaYAML)
	h.Set("Cache-Control", "no-cache") // kept, and asked for again: a gateway is replaced by a newer one
	h.Set("ETag", descriptionTag())
	g.serveContent(w, inBytes(r), bytes.NewReader(description))
}

// indexReply is what GET /v1 answers.
type indexReply struct {
	Version string `json:"version"` // of the gateway
	OpenAPI string `json:"openapi"` // where the document is
}

// serveIndex tells where the document is.
func (g *Gateway) serveIndex(w http.ResponseWriter, r *http.Request) {
	if _, err := queryOf(r); err != nil {
		g.problem(w, g.refusal(err))
		return
	}
	w.Header().Set("Link", "<"+descriptionPath+`>; rel="service-desc"; type="`+mediaYAML+`"`) // RFC 8631
	g.send(w, http.StatusOK, mediaJSON, indexReply{g.version, descriptionPath})
}
