//go:build linux && (amd64 || arm64)

package confine_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/readside/readside/internal/embedded/confine"
)

// stageVariable tells this binary, started again, which side of the walls it is on, and
// folderVariable which folder is its own.
const (
	stageVariable  = "CONFINE_TEST_STAGE"
	folderVariable = "CONFINE_TEST_FOLDER"
	serverVariable = "CONFINE_TEST_SERVER"
)

func TestMain(m *testing.M) {
	switch os.Getenv(stageVariable) {
	case "enter":
		err := confine.Enter(confine.Walls{
			Writable: os.Getenv(folderVariable),
			Programs: []string{"/proc/self/exe", "/lib", "/usr/lib"},
			Readable: []string{"/etc/ld.so.cache"},
		}, "/proc/self/exe", os.Args[:1], []string{stageVariable + "=inside", folderVariable + "=" + os.Getenv(folderVariable), serverVariable + "=" + os.Getenv(serverVariable)})
		fmt.Println("enter:", err)
		os.Exit(1)
	case "inside":
		inside(os.Getenv(folderVariable), os.Getenv(serverVariable))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inside tries what the walls forbid, and prints each try with its outcome.
func inside(folder, server string) {
	if err := confine.Seal(); err != nil {
		fmt.Println("seal:", err)
		return
	}
	tell := func(try string, err error) { fmt.Printf("%s: %v\n", try, err) }
	tell("write inside", os.WriteFile(filepath.Join(folder, "mine"), nil, 0o600))
	_, err := os.ReadFile(filepath.Join(folder, "mine"))
	tell("read inside", err)
	_, err = os.ReadFile("/etc/passwd")
	tell("read outside", err)
	_, err = os.ReadFile("/proc/self/environ")
	tell("read the environment", err)
	_, err = os.ReadFile(filepath.Join(folder, "link"))
	tell("read by a link", err)
	tell("write outside", os.WriteFile(filepath.Join(filepath.Dir(folder), "theirs"), nil, 0o600))
	tell("rename to outside", os.Rename(filepath.Join(folder, "mine"), filepath.Join(filepath.Dir(folder), "theirs")))
	tell("cut off", os.Truncate(filepath.Join(filepath.Dir(folder), "secret"), 0))
	_, err = net.Dial("tcp", server)
	tell("connect", err)
	for name, domain := range map[string]int{"TCP": syscall.AF_INET, "unix": syscall.AF_UNIX} {
		_, err = syscall.Socket(domain, syscall.SOCK_STREAM, 0)
		tell("make a socket of "+name, err)
	}
	_, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	tell("make a socket of UDP", err)
	tell("signal the parent", syscall.Kill(os.Getppid(), 0))
	tell("run a program", syscall.Exec("/proc/self/exe", os.Args[:1], nil))
}

// Behind the walls the folder is all that there is, on every thread.
func TestNoSocketsBehindTheWalls(t *testing.T) {
	t.Parallel()
	if err := confine.Supported(); err != nil {
		t.Fatal(err)
	}
	outer := t.TempDir()
	folder := filepath.Join(outer, "own")
	secret := filepath.Join(outer, "secret")
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		defer server.Close()
		err = errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(secret, []byte("kept"), 0o600), os.Symlink(secret, filepath.Join(folder, "link")))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{stageVariable + "=enter", folderVariable + "=" + folder, serverVariable + "=" + server.Addr().String()}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	outcomes := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(outcomes) != 14 {
		t.Fatalf("%d outcomes:\n%s", len(outcomes), out)
	}
	for _, outcome := range outcomes {
		allowed := strings.Contains(outcome, " inside: ")
		if allowed != strings.HasSuffix(outcome, ": <nil>") {
			t.Errorf("%s", outcome)
		}
	}
	if text, err := os.ReadFile(secret); err != nil || string(text) != "kept" {
		t.Errorf("the file outside is %q, %v", text, err)
	}
}
