package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
)

// signedMain sends one call with an HTTP message signature to $ADDR, and prints the sorted statuses of its copies, and the body of the last. The body is the argument.
func signedMain() {
	name := flag.String("client", "deploy", "")
	file := flag.String("key", "deploy.key", "")
	method := flag.String("method", "POST", "")
	path := flag.String("path", "/v1/jobs", "")
	host := flag.String("host", os.Getenv("ADDR"), "that is signed and sent")
	sent := flag.String("sent", "", "host that is sent in place of it")
	copies := flag.Int("copies", 1, "")
	kept := flag.String("kept", "", "file with the headers of a call: it is written, or, where it is there, sent again")
	flag.Parse()
	if err := sendSigned(*name, *file, *method, *path, *host, *sent, *kept, flag.Arg(0), *copies); err != nil {
		fmt.Fprintln(os.Stderr, "signed:", err)
		os.Exit(1)
	}
}

func sendSigned(name, file, method, path, host, sent, kept, body string, copies int) error {
	key, err := readPrivateKey(file)
	if err != nil {
		return err
	}
	signer, err := auth.NewEd25519Signer(name, key)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, "http://"+os.Getenv("ADDR")+path, nil)
	if err != nil {
		return err
	}
	r.Host = host
	if err := signer.Sign(r, []byte(body)); err != nil {
		return err
	}
	if sent != "" {
		r.Host = sent
	}
	if kept != "" {
		if text, err := os.ReadFile(kept); err == nil {
			err = json.Unmarshal(text, &r.Header)
			if err != nil {
				return err
			}
		} else if text, err := json.Marshal(r.Header); err != nil {
			return err
		} else if err := os.WriteFile(kept, text, 0o600); err != nil {
			return err
		}
	}
	var statuses []int
	var last []byte
	for range copies {
		one := r.Clone(r.Context())
		if body != "" {
			one.Body, one.ContentLength = io.NopCloser(bytes.NewReader([]byte(body))), int64(len(body))
		}
		resp, err := http.DefaultTransport.RoundTrip(one)
		if err != nil {
			return err
		}
		last, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		statuses = append(statuses, resp.StatusCode)
	}
	slices.Sort(statuses)
	fmt.Println(statuses)
	fmt.Printf("%s\n", last)
	return nil
}

// cutMain forwards what comes to $RECEIVER to the gateway at $ADDR, and cuts the first connections when so many bytes have come back.
func cutMain() {
	times := flag.Int("times", 1, "")
	after := flag.Int64("after", 1000, "")
	flag.Parse()
	l, err := net.Listen("tcp", os.Getenv("RECEIVER"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "cutting:", err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		limit := int64(1) << 40
		if *times > 0 {
			*times--
			limit = *after
		}
		go forward(c, limit)
	}
}

func forward(c net.Conn, limit int64) {
	defer c.Close()
	to, err := net.Dial("tcp", os.Getenv("ADDR"))
	if err != nil {
		return
	}
	defer to.Close()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(to, c) })
	_, _ = io.Copy(c, io.LimitReader(to, limit))
	c.Close()
	to.Close()
	both.Wait()
}

// certificatesMain writes certificates into a directory: the authorities ca.crt and other-ca.crt; gate, for a server at 127.0.0.1; and for clients bot (with the DNS name
// bot.example and a URI), plain (without), expired, server (for servers alone) and other (from other-ca). Each NAME.pem is a certificate with its key, beside NAME.crt and
// NAME.key.
func certificatesMain() {
	dir := os.Args[1]
	if err := writeCertificates(dir); err != nil {
		fmt.Fprintln(os.Stderr, "certificates:", err)
		os.Exit(1)
	}
}

func writeCertificates(dir string) error {
	ca, err := newCertificate(dir, "ca", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	if err != nil {
		return err
	}
	other, err := newCertificate(dir, "other-ca", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	if err != nil {
		return err
	}
	forClients := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for name, shape := range map[string]func(c *x509.Certificate){
		"gate": func(c *x509.Certificate) {
			c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		},
		"bot": func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{"bot.example"}, forClients
			c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/bot"}}
		},
		"plain":   func(c *x509.Certificate) { c.ExtKeyUsage = forClients },
		"expired": func(c *x509.Certificate) { c.ExtKeyUsage, c.NotAfter = forClients, time.Now().Add(-time.Minute) },
		"server":  func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
	} {
		if _, err := newCertificate(dir, name, ca, shape); err != nil {
			return err
		}
	}
	_, err = newCertificate(dir, "other", other, func(c *x509.Certificate) { c.ExtKeyUsage = forClients })
	return err
}

// An authority is a certificate and its key.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newCertificate(dir, name string, by *authority, shape func(*x509.Certificate)) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	shape(c)
	if by == nil {
		by = &authority{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.certificate, &key.PublicKey, by.key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	crt, private := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	for suffix, text := range map[string][]byte{".crt": crt, ".key": private, ".pem": slices.Concat(crt, private)} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), text, 0o600); err != nil {
			return nil, err
		}
	}
	parsed, err := x509.ParseCertificate(der)
	return &authority{parsed, key}, err
}
