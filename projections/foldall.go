package projections

// rowKey names a row of a set.
type rowKey struct {
	view int
	key  string
}

// FoldAll calls the handlers that touches name on their rows, in order (rows may be nil
// where each touch has its Row), and leaves out the
// later touches of a row whose fold failed. It returns every fault; where there is
// one the rows of those faults are half folded, and the caller drops all rows.
func (s *Set) FoldAll(rows Rows, touches []Touch, events []Event) (faults []*FoldError) {
	var failed map[rowKey]bool
	for i := 0; i < len(touches); i++ {
		var fault *FoldError
		if i, fault = s.foldRun(rows, touches, events, i, failed); fault == nil {
			return faults
		}
		if failed == nil {
			failed = map[rowKey]bool{}
		}
		failed[rowKey{touches[i].View, touches[i].Key}] = true
		faults = append(faults, fault)
	}
	return faults
}

// foldRun folds from the i-th touch on, up to the first fault; it returns that touch.
func (s *Set) foldRun(rows Rows, touches []Touch, events []Event, i int, failed map[rowKey]bool) (at int, fault *FoldError) {
	defer func() {
		if p := recover(); p != nil {
			t := &touches[i]
			at, fault = i, s.fault(t.View, t.Key, &events[t.Event], panicked(p), hintHandler)
			fault.Reason = ReasonPanic
		}
	}()
	for ; i < len(touches); i++ {
		t := &touches[i]
		if failed != nil && failed[rowKey{t.View, t.Key}] {
			continue
		}
		e := &events[t.Event]
		r := t.Row
		if r == nil {
			r = rows.Row(t.View, t.Key)
		}
		if err := s.views[t.View].apply(r, t.Handling, e.Value, e.Meta, t.Event); err != nil {
			fault := s.fault(t.View, t.Key, e, err, hintFor(err))
			fault.Reason = reasonFor(err)
			return i, fault
		}
	}
	return i, nil
}
