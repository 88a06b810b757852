package identity

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

func TestCustomerDecisions(t *testing.T) {
	t.Parallel()
	home := contract.Address{Street: "a", City: "b", PostalCode: "c", Country: "GB"}
	away := contract.Address{Street: "d", City: "b", PostalCode: "c", Country: "GB"}
	registered := contract.CustomerRegistered{CustomerID: "ada", Name: "Ada", Email: "ada@example.com", Address: home}
	ada := Customer{}.Evolve(registered)
	for name, tc := range map[string]struct {
		decide func() ([]contract.Event, error)
		want   contract.Event
		code   string
	}{
		"register":       {func() ([]contract.Event, error) { return Customer{}.Register("ada", "Ada", "ada@example.com", home) }, registered, ""},
		"register again": {func() ([]contract.Event, error) { return ada.Register("ada", "Ada", "ada@example.com", home) }, nil, "already-exists"},
		"rename":         {func() ([]contract.Event, error) { return ada.Rename("ada", "Ada K") }, contract.CustomerRenamed{CustomerID: "ada", Name: "Ada K"}, ""},
		"same name":      {func() ([]contract.Event, error) { return ada.Rename("ada", "Ada") }, nil, ""},
		"rename nobody":  {func() ([]contract.Event, error) { return Customer{}.Rename("eve", "Eve") }, nil, "not-found"},
		"move":           {func() ([]contract.Event, error) { return ada.Move("ada", away) }, contract.CustomerAddressChanged{CustomerID: "ada", Address: away}, ""},
		"stay":           {func() ([]contract.Event, error) { return ada.Move("ada", home) }, nil, ""},
		"move nobody":    {func() ([]contract.Event, error) { return Customer{}.Move("eve", home) }, nil, "not-found"},
	} {
		events, err := tc.decide()
		var refusal *command.Refusal
		if code := ""; errors.As(err, &refusal) && refusal.Code != tc.code || (err == nil && tc.code != code) {
			t.Errorf("%s: %v, want %q", name, err, tc.code)
		}
		var want []contract.Event
		if tc.want != nil {
			want = []contract.Event{tc.want}
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	moved := ada.Evolve(contract.CustomerRenamed{Name: "Ada K"}, contract.CustomerAddressChanged{Address: away})
	if diff := cmp.Diff(Customer{ID: "ada", Version: 3, Name: "Ada K", Email: "ada@example.com", Address: away}, moved); diff != "" {
		t.Error(diff)
	}
}
