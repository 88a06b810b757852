package mutate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sample = `package sample

const bound = 1 + 2

func of(m map[string]int, a, b int) int {
	if a < b && m != nil {
		m["a"] = a + b
		m["b"] += 1
	}
	for a > 0 {
		a--
		break
	}
	defer close(nil)
	logger.Warn("a" + "b")
	forget(a == b)
	return a * b
}
`

func TestEveryKindOfBreakIsFound(t *testing.T) {
	found, err := In([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range found {
		got = append(got, short(b.Was)+" → "+short(b.Is))
	}
	want := []string{
		"a < b && m != nil → !(a < b && m != nil)", "< → <=", "< → >=", "&& → ||", "!= → ==",
		`m["a"] → _`, "+ → -", "+= → -=", "> → >=", "> → <=", "-- → ++", "break → continue",
		"defer close(nil) → (nothing)", "forget(a == b) → (nothing)", "== → !=", "* → /",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestABreakReplacesOnePlace(t *testing.T) {
	found, err := In([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(b Break) bool { return b.Was == "*" })
	got := string(found[i].Apply([]byte(sample)))
	if want := strings.Replace(sample, "a * b", "a / b", 1); got != want {
		t.Errorf("got\n%s", got)
	}
	if found[i].Line != 17 {
		t.Errorf("line %d, want 17", found[i].Line)
	}
}

func TestTheSeedDecidesTheOrder(t *testing.T) {
	root := t.TempDir()
	for name, source := range map[string]string{"p/a.go": sample, "p/a_test.go": "package sample\n\nvar x = 1 + 1\n"} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	draw := func(seed uint64) string {
		all, err := Shuffled(root, []string{"./p"}, seed)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, b := range all {
			lines = append(lines, b.String())
		}
		return strings.Join(lines, "\n")
	}
	one := draw(1)
	if one != draw(1) || one == draw(2) {
		t.Errorf("the order does not follow the seed:\n%s", one)
	}
	if strings.Contains(one, "_test.go") || strings.Count(one, "\n") != 15 {
		t.Errorf("got\n%s", one)
	}
}
