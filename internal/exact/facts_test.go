package exact_test

// checkFacts is filled below.
func (x *experiment) checkFacts() {}
