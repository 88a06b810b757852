// Package operate has the operators' commands: they read and mend what projectors and
// services have made, and run nothing for long.
package operate
