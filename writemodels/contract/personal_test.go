package contract_test

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/readside/readside/writemodels/contract"
)

// personalNames are names of fields that hold personal data more often than not.
var personalNames = regexp.MustCompile(`(?i)name|mail|street|city|postal|phone|address`)

// Fields that look personal are tagged, one way or the other: `personal:"subject"`,
// or `personal:"none"` where they are about a thing.
func TestPersonalFieldsAreTagged(t *testing.T) {
	t.Parallel()
	for _, e := range contract.All() {
		untagged(reflect.TypeOf(e), reflect.TypeOf(e).Name(), func(path string) {
			t.Errorf("%s looks personal and says nothing of it: tag it `personal:\"subject\"` or `personal:\"none\"`", path)
		})
	}
}

// The check above must see what it is there for.
func TestUntaggedNamesAreSeen(t *testing.T) {
	t.Parallel()
	type inner struct{ Email string }
	type event struct {
		Title string
		To    []inner
		Ok    string `personal:"subject"`
	}
	var seen []string
	untagged(reflect.TypeFor[event](), "event", func(path string) { seen = append(seen, path) })
	if len(seen) != 1 || seen[0] != "event.To.Email" {
		t.Errorf("seen: %v", seen)
	}
}

func untagged(t reflect.Type, path string, report func(path string)) {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer, reflect.Map:
		untagged(t.Elem(), path, report)
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			at := path + "." + f.Name
			tag := f.Tag.Get("personal")
			if f.Type.Kind() == reflect.String && personalNames.MatchString(f.Name) && tag != "subject" && tag != "none" {
				report(at)
			}
			untagged(f.Type, at, report)
		}
	}
}
