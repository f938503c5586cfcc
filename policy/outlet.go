package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/plugins/rest"
)

// maxReply bounds what is read of a reply that carries no bundle.
const maxReply = 64 << 10

// An outlet is how OPA reaches one of its services. OPA has no setting for the
// dialer of a service, but it takes the HTTP client from the plugin that the
// service's credentials name: the outlet is that plugin. It wraps OPA's own
// one for the configured credentials, and it adds what OPA's clients lack: the
// guard on outgoing connections, no proxy and no redirects, bounds on size
// packed and unpacked, an end to servers that stall, and an end at Close.
type outlet struct {
	auth  rest.HTTPAuthPlugin
	dial  func(ctx context.Context, network, address string) (net.Conn, error) // nil: any address
	limit int64                                                                // bytes of a bundle, packed and unpacked
	life  context.Context                                                      // its end aborts every exchange

	mu         sync.Mutex
	transports []*http.Transport
}

var (
	_ plugins.Plugin      = (*outlet)(nil)
	_ rest.HTTPAuthPlugin = (*outlet)(nil)
)

// authOf returns OPA's plugin for the credentials of a service.
func authOf(service []byte) (rest.HTTPAuthPlugin, error) {
	client, err := rest.New(service, nil)
	if err != nil {
		return nil, err
	}
	return client.Config().AuthPlugin(nil)
}

func (o *outlet) Start(context.Context) error      { return nil }
func (o *outlet) Reconfigure(context.Context, any) {}

// Stop closes idle connections. OPA's clients go on working for the plugins
// that stop later.
func (o *outlet) Stop(context.Context) { o.closeIdle() }

func (o *outlet) closeIdle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.transports {
		t.CloseIdleConnections()
	}
}

// Prepare adds the credentials to a request.
func (o *outlet) Prepare(req *http.Request) error { return o.auth.Prepare(req) }

// NewClient returns the client that OPA uses for the service from then on.
func (o *outlet) NewClient(c rest.Config) (*http.Client, error) {
	client, err := o.auth.NewClient(c)
	if err != nil {
		return nil, err
	}
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("the service's transport is a %T, which cannot be guarded", client.Transport)
	}
	transport.Proxy = nil
	transport.DisableCompression = true
	transport.IdleConnTimeout = time.Minute
	transport.ResponseHeaderTimeout = 0 // exchange watches the whole of it
	if o.dial != nil {
		transport.DialContext = o.dial
	}
	o.mu.Lock()
	o.transports = append(o.transports, transport)
	o.mu.Unlock()
	return &http.Client{
		Transport:     &exchange{o, transport, time.Duration(*c.ResponseHeaderTimeoutSeconds) * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// exchange makes single HTTP exchanges for an outlet. A reply is read whole,
// within bounds, before OPA sees any of it.
type exchange struct {
	*outlet
	transport *http.Transport
	stall     time.Duration // without any progress
}

var _ http.RoundTripper = (*exchange)(nil)

func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	defer context.AfterFunc(x.life, func() { cancel(errors.New("the policy engine is closing")) })()
	stalled := time.AfterFunc(x.stall, func() { cancel(fmt.Errorf("the server made no progress for %v", x.stall)) })
	defer stalled.Stop()
	because := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	resp, err := x.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, because(err)
	}
	defer resp.Body.Close()
	limit := x.limit
	isBundle := req.Method == http.MethodGet && resp.StatusCode == http.StatusOK
	if !isBundle {
		limit = maxReply
	}
	var body bytes.Buffer
	watched := progress{resp.Body, func() { stalled.Reset(x.stall) }}
	if _, err := body.ReadFrom(io.LimitReader(watched, limit+1)); err != nil {
		return nil, because(err)
	}
	switch {
	case int64(body.Len()) > limit && isBundle:
		return nil, fmt.Errorf("the bundle is larger than %d bytes", limit)
	case int64(body.Len()) > limit:
		body.Truncate(int(limit))
	case isBundle:
		if err := checkPacked(body.Bytes(), limit); err != nil {
			return nil, err
		}
	}
	whole := *resp
	whole.Body = io.NopCloser(&body)
	return &whole, nil
}

// progress calls made after each read that got something.
type progress struct {
	r    io.Reader
	made func()
}

func (p progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.made()
	}
	return n, err
}
