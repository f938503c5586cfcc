package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// maxAnswer is how many bytes of an answer are read: it says how many spans were rejected, and why.
const maxAnswer = 64 << 10

// upload posts spans as OTLP over HTTP has it. OpenTelemetry's own client of that kind would bring gRPC into the program, and read variables of the
// environment that the configuration knows nothing of.
type upload struct {
	url    string
	header http.Header
	client *http.Client

	taken, rejected atomic.Uint64 // spans in batches that were taken
}

var _ otlptrace.Client = (*upload)(nil)

// Start implements otlptrace.Client.
func (u *upload) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (u *upload) Stop(context.Context) error { return nil }

// A laterError is a failure that may pass.
type laterError struct {
	err   error
	after time.Duration // as the collector asked, or 0
}

func (e *laterError) Error() string { return e.err.Error() }

// Unwrap returns the failure.
func (e *laterError) Unwrap() error { return e.err }

// UploadTraces implements otlptrace.Client. Errors hold nothing that the collector wrote but its status.
func (u *upload) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The request of the protocol is this message by another name.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range u.header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "Sidegate")
	resp, err := u.client.Do(req)
	if err != nil {
		var around *url.Error
		if errors.As(err, &around) { // whose text would repeat the URL
			err = around.Err
		}
		return &laterError{err: err}
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		u.count(spans, rejected(answer))
		return nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
		return &laterError{fmt.Errorf("the collector answered %d", resp.StatusCode), time.Duration(seconds) * time.Second}
	}
	return fmt.Errorf("the collector answered %d", resp.StatusCode)
}

// count counts a batch that was taken. A collector does not reject more than it got, whatever it says.
func (u *upload) count(batch []*tracepb.ResourceSpans, rejected uint64) {
	sent := uint64(0)
	for _, resource := range batch {
		for _, scope := range resource.ScopeSpans {
			sent += uint64(len(scope.Spans))
		}
	}
	rejected = min(rejected, sent)
	u.taken.Add(sent - rejected)
	u.rejected.Add(rejected)
}

// rejected reads how many spans a collector did not take of a batch that it took: rejected_spans (1) of partial_success (1). What cannot be read is 0.
func rejected(answer []byte) uint64 {
	partial, _ := field(answer, protowire.BytesType)
	_, n := field(partial, protowire.VarintType)
	return n
}

// field returns the first field of number 1 and a type.
func field(message []byte, want protowire.Type) (b []byte, n uint64) {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil, 0
		}
		message = message[size:]
		if number == 1 && kind == want {
			if want == protowire.VarintType {
				if n, size = protowire.ConsumeVarint(message); size < 0 {
					n = 0
				}
				return nil, n
			}
			b, _ = protowire.ConsumeBytes(message)
			return b, 0
		}
		if size = protowire.ConsumeFieldValue(number, kind, message); size < 0 {
			return nil, 0
		}
		message = message[size:]
	}
	return nil, 0
}
