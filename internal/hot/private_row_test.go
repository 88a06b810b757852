package hot

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/projections"
)

// A row that a private fold puts on disk comes back as it was, and so does an image;
// cut short at any byte, both are refused.
func TestPrivateRowsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	l := everythingLayout(t)
	rapid.Check(t, func(rt *rapid.T) {
		row := &projections.Row{Key: "k", Value: drawEverything(rt, "k")}
		row.State = projections.State(rapid.IntRange(int(projections.Unborn), int(projections.Deleted)).Draw(rt, "state"))
		own, err := l.AppendOwn([]byte("before"), row)
		if err != nil {
			rt.Fatal(err)
		}
		own = bytes.TrimPrefix(own, []byte("before"))
		got, err := l.ReadOwn(own)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(row.Value, got.Value); diff != "" || got.Key != "k" || got.State != row.State {
			rt.Fatalf("the row came back with key %q, %s and other values:\n%s", got.Key, got.State, diff)
		}
		img, err := l.Encode(row)
		if err != nil {
			rt.Fatal(err)
		}
		again, err := l.ImageOf(img.Bytes())
		if err != nil || image.Differing(img, again) != 0 || len(again.Ends()) != len(img.Ends()) {
			rt.Fatalf("the image came back with other columns: %v", err)
		}
		if key, err := l.KeyOf(img.Bytes()); err != nil || string(key) != "k" {
			rt.Fatalf("the image's key is %q: %v", key, err)
		}
		cut := rapid.IntRange(0, len(own)-1).Draw(rt, "cut")
		if _, err := l.ReadOwn(own[:cut]); err == nil {
			rt.Errorf("a row of %d bytes was read from %d", len(own), cut)
		}
		cut = rapid.IntRange(0, len(img.Bytes())-1).Draw(rt, "cut image")
		if _, err := l.ImageOf(img.Bytes()[:cut]); err == nil {
			rt.Errorf("an image of %d bytes was read from %d", len(img.Bytes()), cut)
		}
		if _, err := l.ImageOf(append(bytes.Clone(img.Bytes()), 0)); err == nil {
			rt.Error("an image with a byte too many was read")
		}
	})
}
