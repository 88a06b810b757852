// Package status tells how far everything has come: the log, each projector, each
// view, each cold table. What it tells is computed from the log's head, so that a
// projector that died is seen to fall behind and never seems to be up to date.
package status
