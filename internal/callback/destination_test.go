package callback

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestParseDestination(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw  string
		want Destination
		text string // raw when empty
	}{
		{"http://172.17.0.1:8088/hook", Destination{"http", "172.17.0.1", 8088, "/hook", ""}, ""},
		{"http://172.17.0.1:8088/api/v1/al/auln-x?token=a%2Fb&x=\"", Destination{"http", "172.17.0.1", 8088, "/api/v1/al/auln-x", `token=a%2Fb&x="`}, ""},
		{"http://host", Destination{"http", "host", 80, "/", ""}, "http://host/"},
		{"https://host", Destination{"https", "host", 443, "/", ""}, "https://host/"},
		{"http://host:443/", Destination{"http", "host", 443, "/", ""}, ""},
		{"https://host:443/", Destination{"https", "host", 443, "/", ""}, "https://host/"},
		{"HTTP://Host.Example/A", Destination{"http", "host.example", 80, "/A", ""}, "http://host.example/A"},
		{"http://host?q", Destination{"http", "host", 80, "/", "q"}, "http://host/?q"},
		{"http://host/?", Destination{"http", "host", 80, "/", ""}, "http://host/"},
		{"http://my_service:1/", Destination{"http", "my_service", 1, "/", ""}, ""},
		{"http://xn--fiqs8s/", Destination{"http", "xn--fiqs8s", 80, "/", ""}, ""},
		{"http://1and1.example/", Destination{"http", "1and1.example", 80, "/", ""}, ""},
		{"http://0x.example/", Destination{"http", "0x.example", 80, "/", ""}, ""},
		{"http://[::1]:8088/", Destination{"http", "::1", 8088, "/", ""}, ""},
		{"http://[0:0::00A]/", Destination{"http", "::a", 80, "/", ""}, "http://[::a]/"},
		{"http://h/%7euser/%e4%B8%ad;v=1,2/$&'()*+=:@!", Destination{"http", "h", 80, "/~user/%E4%B8%AD;v=1,2/$&'()*+=:@!", ""}, "http://h/~user/%E4%B8%AD;v=1,2/$&'()*+=:@!"},
		{"http://h/a//b/", Destination{"http", "h", 80, "/a//b/", ""}, ""},
		{"http://h//evil.example/", Destination{"http", "h", 80, "//evil.example/", ""}, ""},
		{"http://h/100%25", Destination{"http", "h", 80, "/100%25", ""}, ""},
		{"http://h/.well-known/..x/x../...", Destination{"http", "h", 80, "/.well-known/..x/x../...", ""}, ""},
		{"http://h/?../..%", Destination{"http", "h", 80, "/", "../..%"}, ""},
	} {
		got, err := ParseDestination(tt.raw)
		if err != nil || got != tt.want {
			t.Errorf("%q: %+v and error %v, want %+v", tt.raw, got, err, tt.want)
			continue
		}
		if want := cmp.Or(tt.text, tt.raw); got.String() != want {
			t.Errorf("%q is written as %q, want %q", tt.raw, got, want)
		}
	}
}

func TestParseDestinationRefuses(t *testing.T) {
	t.Parallel()
	const (
		space    = "contains white space or a control character"
		ascii    = "not ASCII"
		scheme   = "must begin with http:// or https://"
		host     = "not a valid host name or IP address"
		ipv4     = "not four decimal numbers"
		port     = "not a number from 1 to 65535"
		segments = `"." or ".." segments`
		invalid  = "is not a valid URL"
	)
	for _, tt := range []struct{ raw, want string }{
		{"", "is empty"},
		{"http://h/" + strings.Repeat("a", 2048), "longer than 2048 bytes"},
		{"http://h?" + strings.Repeat("a", 2039), "longer than 2048 bytes"}, // with its slash
		{"http://h/ ", space}, {" http://h/", space}, {"http://h/\n", space}, {"http://h/\x00", space},
		{"http://h/\x7f", space}, {"http://h\t/", space}, {"http://h/?a b", space},
		{"http://h/中文", ascii}, {"http://例え.jp/", ascii}, {"http://ｈ/", ascii}, {"http://h/\xff", ascii},
		{"http://h\\@evil/", "backslash"}, {"http:\\\\h/", "backslash"}, {"http://h/?\\", "backslash"},
		{"http://h/#", "fragment"}, {"http://h/#a", "fragment"}, {"http://h#@evil/", "fragment"},

		{"ftp://h/", scheme}, {"file:///etc/passwd", scheme}, {"gopher://h/", scheme}, {"//h/", scheme}, {"/hook", scheme},
		{"h", scheme}, {"unix:/run/docker.sock", scheme}, {"javascript:alert(1)", scheme}, {"httpx://h/", scheme},
		{"http:h", "no host"}, {"http:/h", "no host"}, {"http:///h", "no host"}, {"http://:80/", "no host"}, {"http://", "no host"},
		{"http://?h", "no host"},
		{"http://u@h/", "user name"}, {"http://u:p@h/", "user name"}, {"http://@h/", "user name"}, {"http://:@h/", "user name"},
		{"http://172.17.0.1:8088@evil/", "user name"},

		{"http://h./", host}, {"http://.h/", host}, {"http://a..b/", host}, {"http://-a/", host}, {"http://a-/", host},
		{"http://a,b/", host}, {"http://a*b/", host}, {"http://*.h/", host}, {"http://h;x/", host}, {"http://!/", host},
		{"http://" + strings.Repeat("a", 64) + "/", host}, {"http://" + strings.Repeat("a.", 127) + "aa/", "longer than 253"},
		{"http://h%2eexample/", invalid}, {"http://%68/", invalid}, {"http://h%00/", invalid}, {"http://h<x/", host},

		{"http://2130706433/", ipv4}, {"http://0x7f000001/", ipv4}, {"http://0x7F.1/", ipv4}, {"http://127.1/", ipv4},
		{"http://127.0.1/", ipv4}, {"http://0177.0.0.1/", ipv4}, {"http://127.0.0.01/", ipv4}, {"http://127.0.0.0x1/", ipv4},
		{"http://127.0.0.1.1/", ipv4}, {"http://256.0.0.1/", ipv4}, {"http://a.1/", ipv4}, {"http://0/", ipv4}, {"http://0x/", ipv4},
		{"http://1.2.3.4./", host},
		{"http://[::1%25eth0]/", "without zone"}, {"http://[127.0.0.1]/", ""}, {"http://[::ffff:127.0.0.1%25x]/", "IPv6"}, {"http://[h]/", ""}, {"http://[::1/", ""}, {"http://::1/", ""},
		{"http://[::1]a/", ""},

		{"http://h:0/", port}, {"http://h:65536/", port}, {"http://h:080/", port}, {"http://h:99999999999999999999/", port},
		{"http://h:/", "colon and no port"}, {"http://h:-1/", invalid}, {"http://h:+1/", invalid}, {"http://h:a/", invalid},
		{"http://h:80:80/", ""}, {"http://h:8*/", invalid},

		{"http://h/..", segments}, {"http://h/.", segments}, {"http://h/a/../b", segments}, {"http://h/a/./b", segments},
		{"http://h/%2e%2E/b", segments}, {"http://h/.%2e/b", segments}, {"http://h/a/%2e", segments},
		{"http://h/%252e%252e/b", segments}, {"http://h/%25252e%25252e/b", segments}, {"http://h/..;a=b/c", segments},
		{"http://h/..%3bx/c", segments}, {"http://h/%2e%2e%3b/c", segments},
		{"http://h/a%2fb", "encoded slash"}, {"http://h/a%2Fb", "encoded slash"}, {"http://h/a%252fb", "encoded slash"},
		{"http://h/a%5cb", "encoded backslash"}, {"http://h/a%255Cb", "encoded backslash"}, {"http://h/a%00", "control"},
		{"http://h/a%0d%0aX:y", "control"}, {"http://h/a%250a", "control"},
		{"http://h/a%2f\"", "must be percent-encoded"}, {"http://h/a<b", "must be percent-encoded"}, {"http://h/%", invalid}, {"http://h/%zz", invalid},
	} {
		got, err := ParseDestination(tt.raw)
		if err == nil || got != (Destination{}) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %+v and error %v, want %q", tt.raw, got, err, tt.want)
		}
	}
}

// TestErrorsRepeatNothing holds that a secret in a refused URL is not in the
// error.
func TestErrorsRepeatNothing(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"http://u:hunter2@h/", "http://h/?hunter2 ", "http://h:hunter2/", "http://hunter2%zz/", "hunter2://h/",
		"http://u:hunter2?@h/", "http://h/%hunter2", "http://hunter2*/", "http://[hunter2]/", "http://h/hunter2/../",
	} {
		if _, err := ParseDestination(raw); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v", raw, err)
		}
	}
}

// FuzzParseDestination holds that a destination survives being written and read,
// that what is sent is what was compared, and that no decoding makes it climb.
func FuzzParseDestination(f *testing.F) {
	for _, s := range []string{
		"http://172.17.0.1:8088/hook?a=b", "https://[::1]:1/%7e", "http://h//a/;x", "http://h/%252e", "HTTP://H:80",
		"http://a.b_c-d/%E4*?#", "http://0x7f.1/", "http://h/%2f\"", "http:///", "http://[::ffff:1.2.3.4]/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := ParseDestination(raw)
		if err != nil {
			return
		}
		again, err := ParseDestination(d.String())
		if err != nil || again != d {
			t.Fatalf("%q is %+v, written as %q and read as %+v, %v", raw, d, d.String(), again, err)
		}
		req, err := http.NewRequest(http.MethodPost, d.String(), nil)
		if err != nil {
			t.Fatalf("%q cannot be sent: %v", d, err)
		}
		if sent := req.URL.EscapedPath(); sent != d.Path || req.URL.RawQuery != d.Query || req.URL.Hostname() != d.Host {
			t.Fatalf("%+v is sent to %q, path %q, query %q", d, req.URL.Host, sent, req.URL.RawQuery)
		}
		decoded, err := url.PathUnescape(d.Path)
		if err != nil || strings.ContainsAny(decoded, "\\\r\n\x00") || hasDotSegment(decoded) {
			t.Fatalf("path %q decodes to %q, %v", d.Path, decoded, err)
		}
	})
}
