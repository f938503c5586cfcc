package daemon

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// secured is a house whose listener has TLS and asks for no certificate.
func secured(t *testing.T, extra string) house {
	t.Helper()
	h := newHouse(t, "")
	h.yaml += "\ntls: {cert_file: cert.pem, key_file: key.pem}\n" + extra
	cert, key := newPKI(t).issue(t, 1)
	write(t, filepath.Join(h.dir, "cert.pem"), cert, 0o644)
	write(t, filepath.Join(h.dir, "key.pem"), key, 0o600)
	h.configure(t, "p.wasm", "")
	return h
}

// TestStreamsOfAConnection: a connection of HTTP/2 is told how much it may carry.
func TestStreamsOfAConnection(t *testing.T) {
	_, url, stop := secured(t, "").open(t)
	defer stop()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "http://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	var head [9]byte // of a frame (RFC 9113, 4.1), the first of which is the server's settings
	if _, err := io.ReadFull(conn, head[:]); err != nil || head[3] != 4 {
		t.Fatal(head, err)
	}
	settings := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(conn, settings); err != nil {
		t.Fatal(err)
	}
	got := map[uint16]uint32{}
	for ; len(settings) > 0; settings = settings[6:] {
		got[binary.BigEndian.Uint16(settings)] = binary.BigEndian.Uint32(settings[2:])
	}
	if streams, window := got[3], got[4]; streams != mostStreams || window != streamBuffer {
		t.Errorf("%d streams of %d bytes, want %d of %d", streams, window, mostStreams, streamBuffer)
	}
}

// TestCrowdWithoutSecret: over HTTP/2, too, a listener holds no more calls of whom nobody knows than it takes connections.
func TestCrowdWithoutSecret(t *testing.T) {
	h := secured(t, "executor: {concurrency: 1, queue: 0}\n")
	d, url, stop := h.open(t)
	defer stop()
	const beyond = 20
	// Each connection is there before it carries calls: the door has one leave that has sent nothing yet, when it is full of them.
	connections := make([]*http.Client, (d.most+beyond)/mostStreams+1)
	for i := range connections {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		connections[i] = &http.Client{Transport: transport}
		resp, err := connections[i].Get(strings.Replace(url, "http:", "https:", 1) + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	reasons := make(chan string, d.most+beyond)
	for i := range d.most + beyond {
		body, rest := io.Pipe()
		go func() { _, _ = rest.Write([]byte("{")) }()
		defer rest.Close()
		go func() {
			resp, err := connections[i%len(connections)].Post(strings.Replace(url, "http:", "https:", 1)+"/shell", "application/json", body)
			if err != nil {
				reasons <- err.Error()
				return
			}
			defer resp.Body.Close()
			var a struct{ Reason string }
			_ = json.NewDecoder(resp.Body).Decode(&a)
			reasons <- a.Reason
		}()
	}
	for range beyond { // the others are answered once their bodies are there, or are late
		if got := <-reasons; got != "overloaded" {
			t.Errorf("a call beyond what is taken at once: %s", got)
		}
	}
	if strings.Contains(h.log.String(), "panic") {
		t.Error(h.log)
	}
}
