package settings

import (
	"errors"
	"fmt"
	"testing"
)

func TestAProgramNamesItsVariables(t *testing.T) {
	type config struct {
		Slots int    `envconfig:"SLOTS_MAX"`
		Zone  string `envconfig:"ZONE"`
	}
	both := errors.Join(Wrong(config{}, "Slots", "is %d: use 1 to 10", 0), Wrong(&config{}, "Zone", "is %q: use a name", "x"))
	err := fmt.Errorf("serve: %w", both)
	if want := "serve: Slots is 0: use 1 to 10\nZone is \"x\": use a name"; err.Error() != want {
		t.Errorf("a library says %q, want %q", err, want)
	}
	if got, want := Text(err, "SHOP_"), "serve: SHOP_SLOTS_MAX is 0: use 1 to 10\nSHOP_ZONE is \"x\": use a name"; got != want {
		t.Errorf("a program says %q, want %q", got, want)
	}
	if got := Text(errors.New("Slots is red"), "SHOP_"); got != "Slots is red" {
		t.Errorf("another error became %q", got)
	}
}
