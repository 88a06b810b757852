package embedded

import "syscall"

// endWithParent makes the kernel end a postmaster whose keeper was killed.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGQUIT }
