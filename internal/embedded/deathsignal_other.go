//go:build !linux

package embedded

import "syscall"

// endWithParent has no counterpart here: a postmaster whose keeper was killed ends
// when its folder is removed as stale.
func endWithParent(*syscall.SysProcAttr) {}
