package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a delivery.
const (
	HeaderDelivery  = "X-Sidegate-Delivery"  // its ID, to recognize a repetition
	HeaderAttempt   = "X-Sidegate-Attempt"   // 1 for the first
	HeaderTimestamp = "X-Sidegate-Timestamp" // when it was signed, in Unix seconds
	HeaderSignature = "X-Sidegate-Signature" // see sign
)

// version names what is signed and how. It is part of what is signed, so that no signature of another version fits.
const version = "v1"

// sign sets the headers that let a receiver know who sent a body, that it is whole, and when it was sent: HMAC-SHA256 with each of the secrets over
//
//	v1 LF delivery ID LF timestamp LF body
//
// in lower-case hexadecimal, as "v1=…", with ", " between the signatures of several secrets. docs/callbacks.md tells receivers.
func sign(header http.Header, secrets [][]byte, delivery string, at time.Time, body io.ReaderAt, size int64) error {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s\n%s\n%s\n", version, delivery, timestamp)
		if _, err := io.Copy(mac, io.NewSectionReader(body, 0, size)); err != nil {
			return err
		}
		signatures[i] = version + "=" + hex.EncodeToString(mac.Sum(nil))
	}
	header.Set(HeaderTimestamp, timestamp)
	header.Set(HeaderSignature, strings.Join(signatures, ", "))
	return nil
}
