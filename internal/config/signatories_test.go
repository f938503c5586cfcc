package config

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// publicPEM is the public key of a pair that is made of one character.
func publicPEM(t *testing.T, of string) (ed25519.PublicKey, string) {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(of, ed25519.SeedSize))).Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

const thirtyTwo = "0123456789abcdef0123456789abcdef"

func TestSignatories(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first, text := publicPEM(t, "a")
	write(t, dir, "a.pub", text, 0o644)
	second, text := publicPEM(t, "b")
	write(t, dir, "b.pub", "\n"+text+"\n\n", 0o644)
	write(t, dir, "h.secret", thirtyTwo+"\n", 0o600)
	write(t, dir, "i.secret", thirtyTwo+"0", 0o600)
	write(t, dir, "crt.pem", "", 0o644)
	write(t, dir, "key.pem", "", 0o600)
	c := mustParse(t, dir, `
authorities: [gate.example, "gate.example:8443", 10.0.0.1, "[::1]:8443", "::1"]
tls: {cert_file: crt.pem, key_file: key.pem, client_ca_file: crt.pem}
clients:
  - {name: one, scheme: httpsig, public_key_file: a.pub, certificates: ["dns:bot.example", "uri:spiffe://example/bot", "sha256:`+strings.Repeat("0a", 32)+`"]}
  - {name: two, scheme: httpsig, secret_files: [h.secret, i.secret], public_key_file: ""}
  - {name: three, scheme: httpsig, public_key_files: [b.pub]}
  - {name: four, scheme: func, secret_file: func.secret, certificates: ["dns:a"]}
`)
	one, two, three := c.Clients[0], c.Clients[1], c.Clients[2]
	if len(one.PublicKeys) != 1 || !one.PublicKeys[0].Equal(first) || len(one.Secrets) != 0 || len(one.Certificates) != 3 {
		t.Errorf("%+v", one)
	}
	if len(two.Secrets) != 2 || string(two.Secrets[0].Bytes()) != thirtyTwo || len(two.PublicKeys) != 0 {
		t.Errorf("%+v", two)
	}
	if got := c.TrustedFiles(); len(got) != 3 || got[0] != dir+"/a.pub" || got[1] != dir+"/b.pub" || got[2] != dir+"/crt.pem" {
		t.Errorf("the trusted files are %v", got)
	}
	if len(three.PublicKeys) != 1 || !three.PublicKeys[0].Equal(second) || len(c.Authorities) != 5 {
		t.Errorf("%+v %v", three, c.Authorities)
	}
}

func TestRefusesSignatories(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	_, a := publicPEM(t, "a")
	_, b := publicPEM(t, "b")
	write(t, dir, "a.pub", a, 0o644)
	write(t, dir, "both.pub", a+b, 0o644)
	write(t, dir, "open.pub", b, 0o666)
	write(t, dir, "none.pub", "ssh-ed25519 AAAA\n", 0o644)
	write(t, dir, "long.pub", strings.Repeat("a", maxKeySize+1), 0o644)
	write(t, dir, "private.pub", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600)
	write(t, dir, "crt.pub", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0o644)
	write(t, dir, "bad.pub", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0o644)
	// The key of P-256 that docs/configuration.md shows.
	write(t, dir, "p256.pub", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmZvoY2uCCOgTIM+Fv4ELuhiOrRZl\ngcJ4pv9ktvZDCgrXwb30JljagMiLbRjOw7oJovNVLM8tepkdwaSbhqIxYw==\n-----END PUBLIC KEY-----\n", 0o644)
	write(t, dir, "short.secret", thirtyTwo[1:], 0o600)
	write(t, dir, "long.secret", thirtyTwo, 0o600)
	const key = "the file cannot be used: "
	const relative = "; a relative name starts at the configuration's directory"
	for _, test := range []struct{ client, want string }{
		{"scheme: httpsig", "public_key_file: is required, or secret_file: what the signatures of this client are verified with; make it with: sidegate keys new"},
		{`scheme: httpsig, public_key_file: ""`, "public_key_file: is required, or secret_file: what the signatures of this client are verified with; make it with: sidegate keys new"},
		{"scheme: httpsig, public_key_files: []", "public_key_files: must list one file, or two during rotation"},
		{"scheme: httpsig, public_key_file: a.pub, secret_file: long.secret", "public_key_file: clients[0].secret_file is set too; use one of the two"},
		{"scheme: httpsig, public_key_file: a.pub, public_key_files: [a.pub]", "public_key_files[0]: holds the same public key as clients[0].public_key_file on line 3; every public key must differ"},
		{"scheme: httpsig, secret_file: short.secret", "secret_file: holds 31 bytes, and message signatures need 32 at least; make a secret with: openssl rand -hex 32"},
		{"scheme: httpsig, secret_files: [long.secret, short.secret]", "secret_files[1]: holds 31 bytes, and message signatures need 32 at least; make a secret with: openssl rand -hex 32"},
		{"scheme: httpsig, public_key_file: a.pub, uids: [1]", "uids: is for scheme peercred; this client is known by its signature"},
		{"scheme: httpsig, public_key_file: nowhere.pub", "public_key_file: " + key + "no such file or directory" + relative},
		{"scheme: httpsig, public_key_file: open.pub", "public_key_file: " + key + "everybody may write to it; run chmod o-w on the file" + relative},
		{"scheme: httpsig, public_key_file: both.pub", "public_key_file: " + key + "must hold one public key and nothing else; a second one belongs in a file of its own, under public_key_files" + relative},
		{"scheme: httpsig, public_key_file: none.pub", "public_key_file: " + key + "holds no public key in PEM form" + makePair + relative},
		{"scheme: httpsig, public_key_file: long.pub", "public_key_file: " + key + "is larger than 4 KiB" + relative},
		{"scheme: httpsig, public_key_file: private.pub", "public_key_file: " + key + "holds a private key, which belongs to the caller alone; what belongs here is printed by: openssl pkey -in FILE -pubout" + relative},
		{"scheme: httpsig, public_key_file: crt.pub", "public_key_file: " + key + "must begin with -----BEGIN PUBLIC KEY-----" + makePair + relative},
		{"scheme: httpsig, public_key_file: bad.pub", "public_key_file: " + key + "holds a public key that cannot be read" + makePair + relative},
		{"scheme: httpsig, public_key_file: p256.pub", "public_key_file: " + key + "holds a public key of another kind than ed25519" + makePair + relative},
		{"scheme: httpsig, public_key_file: [a.pub]", "public_key_file: must be a path, not a list"},
		{`scheme: httpsig, public_key_files: [""]`, "public_key_files[0]: must not be empty"},
		{"scheme: func, secret_file: func.secret, public_key_file: a.pub", "public_key_file: is for scheme httpsig; the func scheme has secrets only"},
		{"scheme: peercred, uids: [1], public_key_files: [a.pub]", "public_key_files: is not for scheme peercred, which has no keys: the kernel says whose process connects"},
		{`scheme: peercred, uids: [1], certificates: ["dns:a"]`, "certificates: is not for scheme peercred: there is no TLS on a Unix socket"},
		{`scheme: httpsig, public_key_file: a.pub, certificates: ["dns:a"]`, "certificates: needs tls.client_ca_file: without it callers present no certificate, and this client could never call"},
		{`scheme: httpsig, public_key_file: a.pub, certificates: [a.example]`, `certificates[0]: must be dns:NAME, uri:URI or sha256:HEX (64 digits, of the public key), not "a.example"`},
		{`scheme: httpsig, public_key_file: a.pub, certificates: ["dns:*.example"]`, `certificates[0]: must be dns:NAME, uri:URI or sha256:HEX (64 digits, of the public key), not "dns:*.example"`},
		{`scheme: httpsig, public_key_file: a.pub, certificates: ["sha256:00"]`, `certificates[0]: must be dns:NAME, uri:URI or sha256:HEX (64 digits, of the public key), not "sha256:00"`},
		{`scheme: httpsig, public_key_file: a.pub, certificates: ["uri:bot"]`, `certificates[0]: must be dns:NAME, uri:URI or sha256:HEX (64 digits, of the public key), not "uri:bot"`},
	} {
		t.Run(test.client, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", dir, []byte(onSocket("{name: a, "+test.client+"}")))
			checkError(t, err, "f:3: clients[0]."+test.want)
		})
	}
	for _, bad := range []string{"", "http://gate", "gate/x", "gate:", "gate:0", "gate:x", "a b", "gate:99999", "*"} {
		if _, err := Parse("f", dir, []byte("authorities: [\""+bad+"\"]\n"+oneClient)); err == nil || !strings.Contains(err.Error(), "f:1: authorities[0]: ") {
			t.Errorf("authority %q: %v", bad, err)
		}
	}
}
