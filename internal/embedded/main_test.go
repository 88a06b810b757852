package embedded_test

import (
	"os"
	"testing"

	"github.com/readside/readside/internal/embedded"
)

func TestMain(m *testing.M) {
	embedded.RunIfChild()
	os.Exit(m.Run())
}
