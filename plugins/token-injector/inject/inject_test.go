package inject

import (
	"strings"
	"testing"
)

func TestWants(t *testing.T) {
	t.Parallel()
	i, err := Parse([]byte(`{"token": "t", "destinations": ["https://func.example.com/api/*", "http://10.0.0.1:8088", "http://[::1]/x"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]bool{
		"https://func.example.com/api/":        true,
		"https://func.example.com/api/a/b?q=1": true,
		"https://FUNC.example.com:443/api/a":   true,
		"http://10.0.0.1:8088/":                true,
		"http://10.0.0.1:8088":                 true,
		"http://[::1]:80/x":                    true,

		"https://func.example.com/api":              false,
		"https://func.example.com/other":            false,
		"https://func.example.com/api/../other":     false,
		"https://func.example.com/api/%2e%2e/other": false,
		"https://func.example.com/api/..%2fother":   false,
		"https://func.example.com/api/\\x":          false,
		"http://func.example.com/api/a":             false,
		"https://func.example.com:444/api/a":        false,
		"https://func.example.com.evil/api/a":       false,
		"https://func.example.com@evil/api/a":       false,
		"https://u@func.example.com/api/a":          false,
		"https://evil/https://func.example.com/api": false,
		"http://10.0.0.1:8088/x":                    false,
		"http://10.0.0.1/":                          false,
		"ftp://10.0.0.1:8088/":                      false,
		"":                                          false,
		"://":                                       false,
		"https://func.example.com/api/\n":           false,
	} {
		if i.Wants(url) != want {
			t.Errorf("%s: %v", url, !want)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`"token": "t"`: "Authorization: Bearer t",
		`"token": "t", "header": "authorization"`:            "Authorization: Bearer t",
		`"token": "t", "scheme": "Token"`:                    "Authorization: Token t",
		`"token": "t", "scheme": ""`:                         "Authorization: t",
		`"token": "t", "header": "x-api-key"`:                "X-Api-Key: t",
		`"token": "t", "header": "X-Key", "scheme": "Basic"`: "X-Key: Basic t",
	} {
		i, err := Parse([]byte(`{"destinations": ["http://a/*"], ` + config + `}`))
		if err != nil || i.Header+": "+i.Value != want {
			t.Errorf("%s: %v, %v; want %s", config, i, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`[]`:                           "the configuration is not what token-injector takes",
		`{"tokens": "t"}`:              "the configuration is not what token-injector takes",
		`{"token": "hunter2"} x`:       "something follows",
		`{}`:                           "token: ",
		`{"token": "hunter2 hunter2"}`: "token: ",
		`{"token": "hunter2\r\nX: y"}`: "token: ",
		`{"token": "hunter2\u00e9"}`:   "token: ",
		`{"token": "hunter2"}`:         "destinations: ",
		`{"token": "hunter2", "destinations": ["http://a/*", "func/*"]}`:      "destinations[1]: ",
		`{"token": "hunter2", "destinations": ["*"]}`:                         "destinations[0]: ",
		`{"token": "hunter2", "destinations": ["http://*"]}`:                  "destinations[0]: ",
		`{"token": "hunter2", "destinations": ["http://a*"]}`:                 "destinations[0]: ",
		`{"token": "hunter2", "destinations": ["http://*.a/"]}`:               "destinations[0]: ",
		`{"token": "hunter2", "destinations": ["http://a/*/b"]}`:              "destinations[0]: ",
		`{"token": "hunter2", "destinations": ["http://a/?b"]}`:               "destinations[0]: ",
		`{"token": "hunter2", "destinations": ["http://u@a/"]}`:               "destinations[0]: ",
		`{"token": "hunter2", "destinations": ["http://a/../b"]}`:             "destinations[0]: ",
		`{"token": "hunter2", "header": "Host"}`:                              "header: ",
		`{"token": "hunter2", "header": "content-length"}`:                    "header: ",
		`{"token": "hunter2", "header": "x-sidegate-job"}`:                    "header: ",
		`{"token": "hunter2", "header": "A/B"}`:                               "header: ",
		`{"token": "hunter2", "header": "A B"}`:                               "header: ",
		`{"token": "hunter2", "header": "A~1B"}`:                              "header: ",
		`{"token": "hunter2", "scheme": "a b", "destinations": ["http://a"]}`: "scheme: ",
	} {
		_, err := Parse([]byte(config))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the token is in %q", err)
		}
	}
	if i, err := Parse([]byte("null")); i != nil || err != nil {
		t.Errorf("null: %v, %v", i, err)
	}
}
