package dbtest

// clickHouseServer is the server that the tests of this binary share.
type clickHouseServer struct{}

func (*clickHouseServer) stop() error { return nil }
