package auth

import (
	"os"
	"testing"
)

// TestMain lets the test binary be the process that connects, as another user.
func TestMain(m *testing.M) {
	if socket := os.Getenv(callerEnv); socket != "" {
		os.Exit(call(socket))
	}
	os.Exit(m.Run())
}
