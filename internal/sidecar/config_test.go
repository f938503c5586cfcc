package sidecar

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		want       Config
		err        string
	}{
		{name: "as it is installed", text: "BIND=127.0.0.1:8099,172.17.0.1:8099\nSECRET_KEY=oN3x$y#\n",
			want: Config{Bind: []string{"127.0.0.1:8099", "172.17.0.1:8099"}, Secret: "oN3x$y#"}},
		{name: "comments and others", text: "# a\n; b\n\n  BIND = 1.2.3.4:1 \nLOG_LEVEL=\"x y\nSECRET_KEY='a b\\'\n",
			want: Config{Bind: []string{"1.2.3.4:1"}, Secret: `a b\`, Other: []string{"LOG_LEVEL"}}},
		{name: "with colons", text: "BIND: 0.0.0.0:8099\r\nSECRET_KEY: \"k=v:w\"", want: Config{Bind: []string{"0.0.0.0:8099"}, Secret: "k=v:w"}},
		{name: "without a secret", text: "BIND=a:1", want: Config{Bind: []string{"a:1"}}},
		{name: "nothing", text: ""},
		{name: "never expanded", text: "SECRET_KEY=$(touch/x)${HOME}", want: Config{Secret: "$(touch/x)${HOME}"}},
		{name: "a script", text: "BIND=a:1\nrm -rf /\n", err: "line 2: it is none of the form NAME=VALUE"},
		{name: "export", text: "export SECRET_KEY=x", err: "line 1: it is none of the form NAME=VALUE"},
		{name: "twice", text: "SECRET_KEY=a\nSECRET_KEY=b", err: "line 2: SECRET_KEY stands there for the second time"},
		{name: "a comment behind it", text: "SECRET_KEY=topsecret # mine", err: "line 1: SECRET_KEY: quotes, backslashes and spaces"},
		{name: "half a quote", text: "SECRET_KEY=\"topsecret", err: "the quote that begins the value does not end it"},
		{name: "one quote", text: "SECRET_KEY=\"", err: "the quote that begins the value does not end it"},
		{name: "two strings", text: "SECRET_KEY='topsecret''b'", err: "put the value in single quotes"},
		{name: "escapes", text: `SECRET_KEY="topsecret\n"`, err: "put the value in single quotes"},
		{name: "a substitution", text: "SECRET_KEY=\"`topsecret`\"", err: "put the value in single quotes"},
		{name: "a backquote", text: "SECRET_KEY=`topsecret`", err: "put the value in single quotes"},
		{name: "no value", text: "SECRET_KEY=", err: "it has no value"},
		{name: "no value in quotes", text: "SECRET_KEY=''", err: "it has no value"},
		{name: "an address is missing", text: "BIND=127.0.0.1:8099,", err: "line 1: BIND: an address is missing"},
		{name: "two lines in one", text: "BIND='a:1 b:2'", err: "an address has a space in it"},
		{name: "not text", text: "BIND=\x00", err: "it is not text"},
		{name: "not UTF-8", text: "BIND=\xff", err: "it is not text"},
		{name: "large", text: strings.Repeat("#", maxConfig+1), err: "larger than 64 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseConfig([]byte(test.text))
			switch {
			case test.err == "" && err != nil:
				t.Fatal(err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Fatalf("the error is %v, want %q", err, test.err)
			case err != nil && strings.Contains(err.Error(), "topsecret"):
				t.Errorf("the error shows the secret: %v", err)
			case !reflect.DeepEqual(got, test.want):
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestCheckSecret(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"k": true, "a b": true, "Schlüssel": true, `'"$()`: true, strings.Repeat("x", 4096): true,
		"": false, " k": false, "k\n": false, "a\nb": false, "a\x00b": false, "\xff": false, strings.Repeat("x", 4097): false,
	} {
		if err := CheckSecret(text); (err == nil) != good {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// FuzzParseConfig: what is read stands in the file, and no error repeats it.
func FuzzParseConfig(f *testing.F) {
	for _, text := range []string{"BIND=127.0.0.1:8099\nSECRET_KEY=abcdef\n", "SECRET_KEY: 'a b'", "SECRET_KEY=\"x\\\"", "# x\r\nA=1", "BIND=,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig([]byte(text))
		if err != nil {
			if !reflect.DeepEqual(c, Config{}) {
				t.Errorf("%+v comes with the error %v", c, err)
			}
			return
		}
		if !strings.Contains(text, c.Secret) || strings.ContainsAny(c.Secret, "\n\x00") {
			t.Errorf("the secret %q is not in %q", c.Secret, text)
		}
		for _, address := range c.Bind {
			if !strings.Contains(text, address) || address == "" || strings.ContainsAny(address, " \t\n,") {
				t.Errorf("the address %q of %q", address, text)
			}
		}
	})
}
