package client

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A TimeoutError says that there was no reply within the time that New was given. What the request asks for may go on.
type TimeoutError struct{ Err error }

func (e *TimeoutError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TimeoutError) Unwrap() error { return e.Err }

const startIt = "is the gateway running? start it with: sidegate serve --config FILE"

const lost = "the gateway has ended the connection without an answer: a command that was asked for may have run, so look before it is sent again: sidegate jobs list, on the gateway's host"

// isLost tells whether a connection has ended that was there: the other side may have had the request.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

// explain adds to the error of a connection what there is to do.
func (c *Client) explain(err error) error {
	host := strings.TrimPrefix(strings.TrimPrefix(c.base, "https://"), "http://")
	if wrapped := (*url.Error)(nil); c.socket != "" && errors.As(err, &wrapped) {
		err = wrapped.Err // it would show the URL, which is made up
	}
	var unknown x509.UnknownAuthorityError
	var unresolved *net.DNSError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s speaks plain HTTP, and not TLS: write http://%s, or configure tls.cert_file and tls.key_file", c.address, host)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w\nif the gateway's certificate is from an authority of your own, name its file with --ca-file, or in the environment variable SSL_CERT_FILE", err)
	case isAlert(err, "certificate required"):
		return fmt.Errorf("%w\nthe gateway takes connections only from who presents a certificate (tls.client_ca_file): name yours with --cert-file", err)
	case isAlert(err, "unknown certificate authority"), isAlert(err, "bad certificate"), isAlert(err, "expired certificate"):
		return fmt.Errorf("%w\nthe gateway does not take the certificate of --cert-file: it must be for clients, valid now, and from an authority in tls.client_ca_file", err)
	case os.IsTimeout(err) && c.timeout > 0:
		return &TimeoutError{fmt.Errorf("no reply within %v", c.timeout)}
	case errors.As(err, &unresolved) && unresolved.IsNotFound:
		return fmt.Errorf("%w\ncompare the name of the host in --url", err)
	case isLost(err):
		return fmt.Errorf("%w\n%s", err, lost)
	case c.socket == "":
		return fmt.Errorf("%w\n%s", err, startIt)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w\n%s, with unix:%s in listen", err, startIt, c.socket)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w\nsocket_mode and socket_group in the gateway's configuration say who may connect, and so do the directories that lead to the socket", err)
	}
	return fmt.Errorf("%w\n%s", err, startIt)
}

// isAlert reports whether the other side ended TLS with that alert. Under TLS 1.3 it comes after the handshake, in place of the reply.
func isAlert(err error, alert string) bool {
	return strings.Contains(err.Error(), "remote error: tls: "+alert)
}

// wantsTLS is what a TLS server written in Go answers in plain text to one who does not speak it.
const wantsTLS = "Client sent an HTTP request to an HTTPS server."

// checkTLS returns an error if a reply is that of a server that wanted TLS. It leaves the body as it was.
func (c *Client) checkTLS(resp *http.Response) error {
	if resp.StatusCode != http.StatusBadRequest || c.socket != "" || !strings.HasPrefix(c.base, "http://") {
		return nil
	}
	begin, err := io.ReadAll(io.LimitReader(resp.Body, int64(len(wantsTLS))+2))
	if err == nil && string(bytes.TrimSpace(begin)) == wantsTLS {
		return fmt.Errorf("%s speaks TLS: write https://%s", c.address, strings.TrimPrefix(c.base, "http://"))
	}
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failing{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begin), rest), resp.Body}
	return nil
}

// failing is a reader that cannot be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
