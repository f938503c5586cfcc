package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"net/url"
	"testing"
	"time"
)

// clientCertificate is a certificate as the TLS layer would have verified it.
func clientCertificate(t *testing.T, dns, uri string, until time.Time) *x509.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	shape := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: testNow.Add(-time.Hour), NotAfter: until}
	if dns != "" {
		shape.DNSNames = []string{"first.example", dns}
	}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		shape.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, public, private)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A client that is bound to certificates is nobody without one, by either scheme.
func TestBoundClients(t *testing.T) {
	t.Parallel()
	late := testNow.Add(time.Hour)
	bot, other, old := clientCertificate(t, "Bot.example", "spiffe://example/bot", late), clientCertificate(t, "bot.example.org", "spiffe://example/bot/2", late), clientCertificate(t, "bot.example", "", testNow.Add(-time.Second))
	sum := keyDigest(bot)
	for _, test := range []struct {
		bound   []string
		certs   []*x509.Certificate
		refused []*x509.Certificate
	}{
		{nil, []*x509.Certificate{nil, bot, other, old}, nil},
		{[]string{"dns:bot.example"}, []*x509.Certificate{bot}, []*x509.Certificate{nil, other, old}},
		{[]string{"dns:BOT.example", "dns:bot.example.org"}, []*x509.Certificate{bot, other}, []*x509.Certificate{nil, old}},
		{[]string{"uri:spiffe://example/bot"}, []*x509.Certificate{bot}, []*x509.Certificate{nil, other, old}},
		{[]string{"sha256:" + hex.EncodeToString(sum[:])}, []*x509.Certificate{bot}, []*x509.Certificate{nil, other, old}},
	} {
		v := newVerifier(t, Config{Clients: []Client{
			{Name: "func", Secrets: [][]byte{testSecret}, Certificates: test.bound},
			{Name: "deploy", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret}, Certificates: test.bound},
		}})
		for i, c := range append(test.certs, test.refused...) {
			byFunc := sign(testSecret, testNonce, testNow, "{}")
			byFunc.Certificate = c
			message := plainOrder().message()
			message.Certificate = c
			_, _, err1 := v.Verify(testNow, byFunc)
			_, _, err2 := v.VerifyMessage(testNow, message)
			if i < len(test.certs) {
				if err1 != nil || err2 != nil {
					t.Errorf("%v: certificate %d: %v, %v", test.bound, i, err1, err2)
				}
			} else if !errors.Is(err1, ErrSignature) || !errors.Is(err2, ErrSignature) {
				t.Errorf("%v: certificate %d is accepted: %v, %v", test.bound, i, err1, err2)
			}
		}
	}
}
