package engine

// WithoutRest lets continuous verification compare slice after slice.
func (p *Projector) WithoutRest() *Projector {
	p.watchRest = 0
	return p
}
