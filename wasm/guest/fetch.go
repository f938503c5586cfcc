package guest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"
)

// A FetchRequest is an HTTP request of a guest, as it gave it: a Fetch function checks all of it.
type FetchRequest struct {
	Method  string // GET where the guest gave none
	URL     string
	Headers map[string]string
	Body    string
}

// A FetchResponse is the answer to one.
type FetchResponse struct {
	Status  int
	Headers map[string][]string // names in any case
	Body    []byte
}

// maxFetchRequest is the largest request text that is read, in bytes.
const maxFetchRequest = 1 << 20

// httpFetch is the import http_fetch.
func httpFetch(in *instance, m api.Memory, stack []uint64) {
	text := in.bytes(m, stack[0], stack[1])
	in.bytes(m, stack[2], stack[3])
	switch {
	case in.exchange == nil:
		answer(stack, -errnoDisabled)
		return
	case in.exchange.NoFetch:
		in.exchange.FetchWanted = true
		answer(stack, -errnoDisabled)
		return
	}
	in.charge(fetchCost + int64(len(text)))
	request, ok := parseFetch(text)
	if !ok {
		answer(stack, -errnoRefused)
		return
	}
	reply, errno := in.fetch(request)
	if errno != errnoOK {
		answer(stack, -errno)
		return
	}
	in.charge(int64(len(reply)))
	if uint64(len(reply)) > uint64(uint32(stack[3])) {
		answer(stack, -errnoSpace)
		return
	}
	copy(in.bytes(m, stack[2], stack[3]), reply)
	answer(stack, int32(len(reply)))
}

// fetch does the exchange within what is left of the call's time.
func (in *instance) fetch(request FetchRequest) ([]byte, int32) {
	ctx, cancel := context.WithDeadline(in.caller, epoch.Add(in.deadline))
	defer cancel()
	response, err := in.plugin.config.Fetch(ctx, request)
	in.check()
	switch {
	case errors.Is(err, ErrFetchRefused):
		return nil, errnoRefused
	case err != nil:
		return nil, errnoNetwork
	}
	reply, err := response.text()
	if err != nil {
		return nil, errnoNetwork
	}
	return reply, errnoOK
}

func parseFetch(text []byte) (FetchRequest, bool) {
	if len(text) > maxFetchRequest {
		return FetchRequest{}, false
	}
	var r struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&r) != nil || r.URL == "" {
		return FetchRequest{}, false
	}
	if _, err := d.Token(); err != io.EOF {
		return FetchRequest{}, false
	}
	if r.Method == "" {
		r.Method = "GET"
	}
	return FetchRequest(r), true
}

// text is the answer as the guest reads it.
func (r FetchResponse) text() ([]byte, error) {
	headers := make(map[string]string, len(r.Headers))
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		key, value := strings.ToLower(name), strings.Join(r.Headers[name], ", ")
		if before, ok := headers[key]; ok {
			value = before + ", " + value
		}
		headers[key] = value
	}
	out := struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    *string           `json:"body,omitempty"`
		Base64  *string           `json:"body_base64,omitempty"`
	}{Status: r.Status, Headers: headers}
	if utf8.Valid(r.Body) {
		s := string(r.Body)
		out.Body = &s
	} else {
		s := base64.StdEncoding.EncodeToString(r.Body)
		out.Base64 = &s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
