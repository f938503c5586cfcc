package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// contract is openapi.yaml, to hold requests and replies to.
type contract struct {
	doc    *openapi3.T
	routes routers.Router
}

// theContract is the one that the gateway serves. Its objects are closed: a reply with a member that is not described breaks it.
var theContract = sync.OnceValues(func() (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		return nil, err
	}
	for _, s := range doc.Components.Schemas {
		if s.Value.Type.Is("object") && s.Value.AdditionalProperties.Has == nil && s.Value.AdditionalProperties.Schema == nil {
			s.Value.AdditionalProperties = openapi3.BoolSchema{Has: new(bool)}
		}
	}
	for _, media := range []string{mediaEvents, mediaBytes, mediaYAML, "multipart/byteranges"} { // what is text to it
		openapi3filter.RegisterBodyDecoder(media, func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			text, err := io.ReadAll(body)
			return string(text), err
		})
	}
	doc.Servers = nil
	routes, err := gorillamux.NewRouter(doc)
	return &contract{doc, routes}, err
})

// exchange is a request and what it was answered with.
type exchange struct {
	request *http.Request
	sent    []byte // of the body, as far as it was read
	status  int
	header  http.Header
	body    []byte
	whole   bool // body is all of it
}

// check returns how an exchange breaks the contract.
func (c *contract) check(x exchange) error {
	request := x.request.Clone(context.Background())
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(x.sent)), int64(len(x.sent))
	if request.Header.Get("Content-Type") == "" && len(x.sent) > 0 {
		request.Header.Set("Content-Type", "application/json") // as it is taken
	}
	route, variables, err := c.routes.FindRoute(request)
	if err != nil {
		return c.checkOutside(x, err)
	}
	operation := route.Operation
	in := &openapi3filter.RequestValidationInput{Request: request, PathParams: variables, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true,
	}}
	if x.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			return fmt.Errorf("was taken and is not described: %w", err)
		}
		if err := describedQuery(request, route); err != nil {
			return err
		}
	}
	response := responseOf(operation, x.status)
	if response == nil {
		return fmt.Errorf("the status is not described")
	}
	described := slices.Clone(ofEvery)
	for name := range response.Headers {
		described = append(described, http.CanonicalHeaderKey(name))
	}
	for name := range x.header {
		if !slices.Contains(described, name) {
			return fmt.Errorf("the header %s: %s is not described", name, x.header.Get(name))
		}
	}
	if !x.whole || request.Method == http.MethodHead || x.status == http.StatusNotModified {
		return nil
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: x.status, Header: x.header, Body: io.NopCloser(bytes.NewReader(x.body)), Options: in.Options}
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		return err
	}
	media, _, _ := mime.ParseMediaType(x.header.Get("Content-Type"))
	switch content := response.Content[media]; {
	case media == mediaProblem:
		return problemIsWhole(x.status, x.body)
	case content != nil && media == mediaEvents:
		return c.checkEvents(content.Schema.Value, x.body)
	}
	return nil
}

// ofEvery are headers that any reply may have.
var ofEvery = []string{"Content-Type", "Content-Length", "Cache-Control", "Connection", "X-Content-Type-Options", "X-Accel-Buffering", "Trailer", "Date"}

func responseOf(operation *openapi3.Operation, status int) *openapi3.Response {
	for _, key := range []string{fmt.Sprint(status), fmt.Sprintf("%dXX", status/100)} {
		if r := operation.Responses.Value(key); r != nil {
			return r.Value
		}
	}
	return nil
}

// describedQuery refuses parameters that the route does not have.
func describedQuery(r *http.Request, route *routers.Route) error {
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("the parameter %s was taken and is not described", name)
		}
	}
	return nil
}

// checkOutside is for what the document does not have: it is refused, in the form of the place.
func (c *contract) checkOutside(x exchange, why error) error {
	want := http.StatusNotFound
	if errors.Is(why, routers.ErrMethodNotAllowed) {
		want = http.StatusMethodNotAllowed
	}
	if x.status != want {
		return fmt.Errorf("it is not described (%w), and answered", why)
	}
	if (x.header.Get("Allow") != "") != (x.status == http.StatusMethodNotAllowed) {
		return fmt.Errorf("405 goes with Allow, and nothing else does: %v", x.header)
	}
	schema, media := "ShellRefusal", mediaJSON
	if path := x.request.URL.Path; path == "/v1" || strings.HasPrefix(path, "/v1/") {
		schema, media = "Problem", mediaProblem
	}
	if got := x.header.Get("Content-Type"); got != media {
		return fmt.Errorf("it is %s", got)
	}
	if x.request.Method == http.MethodHead {
		return nil
	}
	return c.checkJSON(schema, x.body)
}

// checkJSON holds JSON to a schema of the document.
func (c *contract) checkJSON(schema string, text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return fmt.Errorf("%s: %w", schema, err)
	}
	return c.doc.Components.Schemas[schema].Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors())
}

// problemIsWhole compares a problem with its own code.
func problemIsWhole(status int, text []byte) error {
	var p problemReply
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	k, ok := kinds[p.Reason]
	if !ok || p.Type != problemType+string(p.Reason) || p.Title != k.title || p.Status != status || status != k.status {
		return fmt.Errorf("the problem is not one of its code, %+v", k)
	}
	return nil
}

// checkEvents holds each event to the schema that the document has for its name.
func (c *contract) checkEvents(stream *openapi3.Schema, text []byte) error {
	schemas, _ := stream.Extensions["x-events"].(map[string]any)
	in := bufio.NewReader(bytes.NewReader(text))
	for {
		e, err := nextEvent(in)
		if err == io.EOF {
			return nil
		}
		schema, ok := schemas[e.name].(map[string]any)
		if err != nil || !ok {
			return fmt.Errorf("the event %q is not described, %v", e.name, err)
		}
		if err := c.checkJSON(strings.TrimPrefix(fmt.Sprint(schema["$ref"]), "#/components/schemas/"), []byte(e.data)); err != nil {
			return fmt.Errorf("event %s %s: %w", e.name, e.data, err)
		}
	}
}

// watch holds all that goes through handlers to the contract.
type watch struct {
	tb testing.TB

	mu     sync.Mutex
	broken []string
}

// newWatch returns a watch that tells a test at its end what broke the contract; nil for a benchmark.
func newWatch(tb testing.TB) *watch {
	if _, ok := tb.(*testing.B); ok {
		return nil
	}
	w := &watch{tb: tb}
	tb.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, text := range w.broken {
			tb.Error(text)
		}
	})
	return w
}

func (s *watch) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := theContract()
		if err != nil {
			panic(err)
		}
		var sent bytes.Buffer
		r = r.WithContext(r.Context()) // package http looks at the body of its own
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
		kept := &keeper{ResponseWriter: w}
		next.ServeHTTP(kept, r) // which may panic to cut the reply off: then there is none
		if _, nobody := w.(discard); nobody || kept.header == nil {
			return
		}
		x := exchange{r, sent.Bytes(), kept.status, kept.header, kept.body.Bytes(), !kept.cut}
		if err := c.check(x); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.broken = append(s.broken, fmt.Sprintf("openapi.yaml: %s %s %.300q was answered with %d %.300q: %v", r.Method, r.URL, x.sent, x.status, x.body, err))
		}
	})
}

// keeper keeps a reply as it is sent.
type keeper struct {
	http.ResponseWriter
	status int
	header http.Header
	body   bytes.Buffer
	cut    bool // not all of the body was sent, or kept
}

// most is how much of a reply is kept.
const most = 1 << 20

func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

func (k *keeper) WriteHeader(status int) {
	if status >= http.StatusOK && k.header == nil {
		k.status, k.header = status, k.Header().Clone()
	}
	k.ResponseWriter.WriteHeader(status)
}

func (k *keeper) Write(b []byte) (int, error) {
	if k.header == nil {
		k.status, k.header = http.StatusOK, k.Header().Clone()
	}
	n, err := k.ResponseWriter.Write(b)
	k.cut = k.cut || err != nil || k.body.Len()+n > most
	if !k.cut {
		k.body.Write(b[:n])
	}
	return n, err
}
