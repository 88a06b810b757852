package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// asProgram makes this test binary be the program, for tests of whole processes.
const asProgram = "READSIDE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	embedded.RunIfChild()
	if os.Getenv(asProgram) != "" {
		_ = os.Unsetenv(asProgram)
		main()
	}
	dbtest.Main(m)
}

// testWait bounds whatever a test waits for.
const testWait = 90 * time.Second

// outcome is what one run of the program left.
type outcome struct {
	code     int
	out, err string
}

// run runs the program in this process.
func run(t *testing.T, args ...string) outcome {
	t.Helper()
	return runWith(t, "", args...)
}

func runWith(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	var out, errs bytes.Buffer
	code := readside.Run(ctx, theShop(), args, strings.NewReader(stdin), &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// must runs the program and fails the test unless it ends with the code.
func must(t *testing.T, code int, args ...string) outcome {
	t.Helper()
	o := run(t, args...)
	if o.code != code {
		t.Fatalf("readside %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), o.code, code, o.out, o.err)
	}
	return o
}

// contains fails the test unless the text holds every one of wanted.
func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}
