package engine

// DropProjector is what tests of dropping call as an owner does that has found the
// projector a while ago.
var DropProjector = dropProjector

// WithoutRest lets continuous verification compare slice after slice.
func (p *Projector) WithoutRest() *Projector {
	p.watchRest = 0
	return p
}
