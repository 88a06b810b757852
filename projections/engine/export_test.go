package engine

// DropProjector is what tests of dropping call as an owner does that has found the
// projector a while ago.
var DropProjector = dropProjector
