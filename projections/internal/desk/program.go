package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"

	"github.com/google/uuid"
)

// executable names this program by a hash of its file. Where that cannot be read, the
// name is of this process alone: it continues with nothing that another began.
var executable = sync.OnceValue(func() string {
	if sum, err := hashExecutable(); err == nil {
		return sum
	}
	return uuid.NewString()
})

func hashExecutable() (string, error) {
	// The file that runs, not one that an upgrade has put in its place.
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		path, err := os.Executable()
		if err != nil {
			return "", err
		}
		if f, err = os.Open(path); err != nil {
			return "", err
		}
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
