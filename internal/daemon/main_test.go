package daemon

import (
	"os"
	"testing"

	"github.com/sidegate/sidegate/executor"
)

func TestMain(m *testing.M) {
	executor.RunChild()
	os.Exit(m.Run())
}
