package wasm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxModule bounds the file of a module where its limits do not.
const maxModule = 64 << 20

// ReadModule reads a regular file of at most that many bytes, 0 for the most that any module may have; nothing else that has
// a name can hold it up. It returns the file's mode with it.
func ReadModule(path string, most int64) (binary []byte, mode os.FileMode, err error) {
	most = cmp.Or(most, maxModule)
	// O_NONBLOCK: a pipe in place of the file must not hold up everything.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("is not a regular file")
	}
	binary, err = io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(binary)) > most {
		err = fmt.Errorf("is larger than the %d bytes that its limits allow", most)
	}
	return binary, info.Mode(), err
}

// readModule reads the file of a plugin and returns it with its digest, which is right.
func readModule(p *Plugin) (binary []byte, digest string, err error) {
	binary, mode, err := ReadModule(p.Path, p.Limits.Module)
	switch {
	case err != nil:
		return nil, "", err
	case p.Digest == "" && mode.Perm()&0o002 != 0:
		return nil, "", errors.New("can be written by everybody on this host: take that away (chmod o-w), or give its digest")
	}
	sum := sha256.Sum256(binary)
	digest = "sha256:" + hex.EncodeToString(sum[:])
	if p.Digest != "" && p.Digest != digest {
		return nil, "", &DigestError{Want: p.Digest, Got: digest}
	}
	return binary, digest, nil
}

// DigestError is a file that is not the one that was configured.
type DigestError struct{ Want, Got string }

func (e *DigestError) Error() string {
	return fmt.Sprintf("has the digest %s, not %s as configured", e.Got, e.Want)
}
