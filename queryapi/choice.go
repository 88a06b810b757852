package queryapi

import (
	"cmp"
	"slices"
)

// choice says where each view is read from. Views that are live nowhere are not in it.
type choice map[*view]*candidate

// candidate is a projector that has a view live with the definition that this
// program was compiled with.
type candidate struct {
	projector, table string
	place            int64
	// here reports whether it follows the log that is here, and no earlier incarnation of it.
	here bool
	// idle reports whether nobody works for it, or that it halted: it does not move by itself.
	idle bool
}

// choose picks the projector that everything is read from: one that has all of the
// views, and of several the one that has come furthest. Only where no projector has
// all of them, views are read from different ones.
//
// What is read already stays, so that a reader who asks twice is not sent back to an
// earlier position: another projector takes over once it has come as far, or when the
// one before lost the view, or stands still behind it.
func choose(views []*view, found map[*view][]*candidate, before choice) choice {
	if len(before) < len(views) {
		before = nil // it was not ready: no reader was to be sent to it
	}
	still := stillThere(views, found, before)
	kept := stillGood(still, found)
	if one := single(kept, len(views)); one {
		return kept
	}
	if whole := furthestWhole(views, found); whole != nil && reachesAll(whole, still) {
		return whole
	}
	for _, v := range views {
		if kept[v] == nil && len(found[v]) > 0 {
			kept[v] = slices.MinFunc(found[v], better)
		}
	}
	return kept
}

// stillThere are the sources of before that are still there, as they are now.
func stillThere(views []*view, found map[*view][]*candidate, before choice) choice {
	still := choice{}
	for _, v := range views {
		was := before[v]
		if was == nil {
			continue
		}
		i := slices.IndexFunc(found[v], func(c *candidate) bool { return c.projector == was.projector })
		if i >= 0 {
			still[v] = found[v][i]
		}
	}
	return still
}

// stillGood leaves out those that stand still while another has come further.
func stillGood(still choice, found map[*view][]*candidate) choice {
	kept := choice{}
	for v, is := range still {
		if !slices.ContainsFunc(found[v], is.outdoneBy) {
			kept[v] = is
		}
	}
	return kept
}

// outdoneBy reports whether other is to be read instead, though c was read before.
func (c *candidate) outdoneBy(other *candidate) bool {
	if c.here != other.here {
		return other.here
	}
	return c.idle && other.place > c.place
}

func single(c choice, views int) bool {
	names := map[string]bool{}
	for _, s := range c {
		names[s.projector] = true
	}
	return len(c) == views && len(names) <= 1
}

// furthestWhole is the choice of the best projector that has all views, or nil.
func furthestWhole(views []*view, found map[*view][]*candidate) choice {
	if len(views) == 0 {
		return nil
	}
	first := slices.SortedFunc(slices.Values(found[views[0]]), better)
	for _, c := range first {
		if whole := allOf(c.projector, views, found); whole != nil {
			return whole
		}
	}
	return nil
}

func allOf(projector string, views []*view, found map[*view][]*candidate) choice {
	whole := choice{}
	for _, v := range views {
		i := slices.IndexFunc(found[v], func(c *candidate) bool { return c.projector == projector })
		if i < 0 {
			return nil
		}
		whole[v] = found[v][i]
	}
	return whole
}

// reachesAll reports whether no view would go back to an earlier position.
func reachesAll(whole, still choice) bool {
	for v, is := range still {
		if next := whole[v]; next.here == is.here && next.place < is.place || is.here && !next.here {
			return false
		}
	}
	return true
}

// better sorts the projector to read from first: of this log, then the furthest.
func better(a, b *candidate) int {
	if a.here != b.here {
		if a.here {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.place, a.place), cmp.Compare(a.projector, b.projector))
}
