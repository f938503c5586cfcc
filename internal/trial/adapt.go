package trial

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Replace changes a configuration: each key, which must be there, becomes its value. It is for Options.Edit.
func Replace(yaml string, changes map[string]string) (string, error) {
	for _, old := range slices.Sorted(maps.Keys(changes)) {
		changed := strings.Replace(yaml, old, changes[old], 1)
		if changed == yaml && old != changes[old] {
			return "", fmt.Errorf("the configuration has no %q", old)
		}
		yaml = changed
	}
	return yaml, nil
}

// SocketClient returns a client that reaches a gateway's Unix socket, whatever host a URL names.
func SocketClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxIdleConns: 128, MaxIdleConnsPerHost: 128,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}
