// Package drill rehearses, while events come in and readers query all the time, what
// operators do: rebuild views, deploy a new version of one, roll back. It has tests
// only; make proof runs them at full size.
package drill
