package demo

import "testing"

func TestASummaryIsWellOnlyWithoutLagAndVerified(t *testing.T) {
	well := func() Summary {
		return Summary{Verified: true, Views: map[string]ViewSummary{"order": {}}, Cold: map[string]FactSummary{"payments": {}}}
	}
	if !well().OK() {
		t.Error("a good summary is not")
	}
	for name, spoil := range map[string]func(*Summary){
		"not verified": func(s *Summary) { s.Verified = false },
		"a view lags":  func(s *Summary) { s.Views["order"] = ViewSummary{Lag: 1} },
		"a fact lags":  func(s *Summary) { s.Cold["payments"] = FactSummary{Lag: 1} },
	} {
		s := well()
		spoil(&s)
		if s.OK() {
			t.Error(name)
		}
	}
}
