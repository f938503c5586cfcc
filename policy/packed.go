package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// isSigned tells whether a bundle has a signature, right or wrong.
func isSigned(packed []byte) bool {
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return false
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err != nil {
			return false
		}
		if bundle.IsSignaturesFile(header.Name) {
			return true
		}
	}
}

// checkPacked refuses a bundle that would unpack to more than limit bytes or to
// more than maxSourceFiles files. OPA bounds each file, and not how many there
// are; and a sparse file of an archive takes no room in it, whatever its size.
// Whether the bundle is well packed is for OPA to say.
func checkPacked(packed []byte, limit int64) error {
	tooLarge := fmt.Errorf("the bundle unpacks to more than %d bytes", limit)
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	whole := &io.LimitedReader{R: unzipped, N: limit + 1}
	archive, left := tar.NewReader(whole), limit
	for files := 0; ; files++ {
		header, err := archive.Next()
		if err != nil {
			break
		}
		if left -= header.Size; left < 0 || header.Size < 0 {
			return tooLarge
		}
		if files == maxSourceFiles {
			return fmt.Errorf("the bundle holds more than %d files", maxSourceFiles)
		}
	}
	_, _ = io.Copy(io.Discard, whole) // what follows the archive
	if whole.N == 0 {
		return tooLarge
	}
	return nil
}
