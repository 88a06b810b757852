//go:build !linux

package keeper

import "syscall"

// EndWithParent has no counterpart here: a postmaster whose keeper was killed ends
// when its folder is removed as stale.
func EndWithParent(*syscall.SysProcAttr) {}
