package keeper

import "syscall"

// EndWithParent makes the kernel end a postmaster whose keeper was killed.
func EndWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGQUIT }
