package cli

import "testing"

// A program and its services may have dashes in their names, and variables may not.
func TestVariablesOfNamesWithDashes(t *testing.T) {
	t.Parallel()
	services := &Services{Command: "back-office"}
	p := &Program{App: App{Name: "our-shop", Services: services}, Lookup: func(name string) (string, bool) {
		return "127.0.0.1:9", name == "OUR_SHOP_BACK_OFFICE_ADDR"
	}}
	if at := p.Address(services.Commands()); at.Variable != "OUR_SHOP_BACK_OFFICE_ADDR" || at.HostPort != "127.0.0.1:9" || !at.Explicit {
		t.Errorf("commands are taken at %+v", at)
	}
	if at := p.Address(services.Health()); at.Variable != "OUR_SHOP_BACK_OFFICE_STATUS_ADDR" || at.HostPort != "127.0.0.1:8083" || at.Explicit {
		t.Errorf("health is served at %+v", at)
	}
}
