package engine

import "github.com/readside/readside/projections"

// ProjectorName names the projector of a set of views: "main@3f2a91bc". Workers of one
// name and of the same definitions take over from each other; those of other definitions
// are another projector, with a checkpoint and tables of its own, beside the first.
func ProjectorName(base string, set *projections.Set) string {
	return base + "@" + set.Fingerprint()
}
