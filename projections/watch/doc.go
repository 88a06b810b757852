// Package watch is what continuous verification of views and of facts have in common: how
// fast the log is read for it, what a difference is, and the record of what was found, the
// table readside.verified, which status, metrics and readiness are made from.
//
// Package watch/rows compares views, package cold compares facts. Both run with the lease
// holder only, and both write the record only while it holds the lease.
package watch
