package spill_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/readside/readside/internal/replay/spill"
)

// Whatever records come for whatever parts, each part gives back its own, in order;
// where all fit, no file is made.
func TestSpillGivesBackWhatItTook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		parts := rapid.IntRange(1, 20).Draw(rt, "parts")
		s := spill.New(dir, parts, 4096)
		defer func() {
			if err := s.Close(); err != nil {
				rt.Error(err)
			}
		}()
		want := make([][]string, parts)
		total := 0
		records := rapid.IntRange(0, 400).Draw(rt, "records")
		for i := range records {
			part := rapid.IntRange(0, parts-1).Draw(rt, "part")
			record := fmt.Sprint(i, strings.Repeat("r", rapid.SampledFrom([]int{0, 5, 100, 20_000}).Draw(rt, "length")))
			if err := s.Append(part, func(buf []byte) ([]byte, error) { return append(buf, record...), nil }); err != nil {
				rt.Fatal(err)
			}
			want[part] = append(want[part], record)
			total += len(record)
		}
		const refBytes = 12
		if fits := total+refBytes*records < 4096; fits != (s.Size() == 0) {
			rt.Errorf("of %d bytes in %d records, %d are on disk", total, records, s.Size())
		}
		for part := range want {
			var got []string
			err := s.Each(part, func(record []byte) error {
				got = append(got, string(record))
				return nil
			})
			if err != nil || strings.Join(got, ",") != strings.Join(want[part], ",") {
				rt.Fatalf("part %d gave back %d records of %d: %v", part, len(got), len(want[part]), err)
			}
		}
	})
	mustBeEmpty(t, dir)
}

// A record that cannot be made leaves nothing behind, and a folder that is not there
// is named.
func TestSpillSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	errRecord := errors.New("no record")
	s := spill.New(t.TempDir()+"/missing", 1, 4096)
	if err := s.Append(0, func(buf []byte) ([]byte, error) { return append(buf, "half"...), errRecord }); !errors.Is(err, errRecord) {
		t.Errorf("Append answered %v", err)
	}
	err := s.Each(0, func(record []byte) error { return fmt.Errorf("there is a record: %q", record) })
	if err != nil {
		t.Error(err)
	}
	err = s.Append(0, func(buf []byte) ([]byte, error) { return append(buf, make([]byte, 5000)...), nil })
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("without its folder, Append answered %v", err)
	}
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s was left behind", entry.Name())
	}
}
