// Package run has the commands that set an application up and run it: its stores, its
// migrations, its projectors, its query API and its own services.
package run
