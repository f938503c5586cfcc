package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// forThisHost refuses requests that came to a loopback address and call it by a name from elsewhere. Nobody on this host does; a page in a browser on it can, once its
// own name has been made to point here (DNS rebinding), and would then read answers that need no signature.
func forThisHost(next http.Handler) http.Handler {
	own, err := os.Hostname()
	if err != nil {
		own = ""
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if onLoopback(local) && !namesThisHost(r.Host, own) {
			http.Error(w, "this is a loopback address: call it 127.0.0.1, [::1] or localhost, and by no other name", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func onLoopback(a net.Addr) bool {
	if a == nil {
		return false
	}
	at, err := netip.ParseAddrPort(a.String()) // that of a Unix socket is none
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// namesThisHost tells whether the value of Host is one that cannot be somebody else's name: an address, a name without dots, which no domain has, one below localhost, or
// this host's own. Clients of HTTP/1.0 may send none.
func namesThisHost(text, own string) bool {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || own != "" && host == strings.ToLower(own)
}
