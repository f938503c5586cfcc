package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/wasm/guest"
)

// maxFetched bounds the body of an answer to http_fetch, in bytes.
const maxFetched = 1 << 20

// fetchMethods are those of RFC 9110 and RFC 5789 that mean nothing but an exchange with the origin.
var fetchMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

var errTooLarge = errors.New("the answer is too large")

// A fetcher is the http_fetch of one plugin.
type fetcher struct {
	do     func(*http.Request) (*http.Response, error)
	allows func(url string) error
}

// fetch checks a guest's request and does it. What is refused wraps guest.ErrFetchRefused.
func (f fetcher) fetch(ctx context.Context, r guest.FetchRequest) (guest.FetchResponse, error) {
	request, err := f.request(ctx, r)
	if err != nil {
		return guest.FetchResponse{}, fmt.Errorf("%w: %w", guest.ErrFetchRefused, err)
	}
	response, err := f.do(request)
	if err != nil {
		return guest.FetchResponse{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFetched+1))
	switch {
	case err != nil:
		return guest.FetchResponse{}, err
	case len(body) > maxFetched:
		return guest.FetchResponse{}, errTooLarge
	}
	return guest.FetchResponse{Status: response.StatusCode, Headers: response.Header, Body: body}, nil
}

func (f fetcher) request(ctx context.Context, r guest.FetchRequest) (*http.Request, error) {
	if err := f.allows(r.URL); err != nil {
		return nil, err
	}
	if !slices.Contains(fetchMethods, r.Method) {
		return nil, errors.New("there is no such method")
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	size := 0
	for name, value := range r.Headers {
		size += len(name) + len(value)
		key := http.CanonicalHeaderKey(name)
		switch _, twice := request.Header[key]; {
		case twice || isProtected(strings.ToLower(name)) || !isToken(name) || !isFieldValue(value):
			return nil, errors.New("a header is not allowed")
		case size > maxHeaderBytes:
			return nil, errors.New("there are too many headers")
		}
		request.Header[key] = []string{value}
	}
	return request, nil
}
