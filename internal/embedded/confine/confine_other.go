//go:build !linux || (!amd64 && !arm64)

package confine

// Supported returns ErrUnsupported.
func Supported() error { return ErrUnsupported }

// Enter returns ErrUnsupported.
func Enter(Walls, string, []string, []string) error { return ErrUnsupported }

// Seal returns ErrUnsupported.
func Seal() error { return ErrUnsupported }

// OnlyInherit does nothing: no other system starts what it would be needed for.
func OnlyInherit(int) error { return nil }

// OnMainThread reports true: it matters behind the walls alone.
func OnMainThread() bool { return true }
