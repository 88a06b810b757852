// Package baseline holds the rivals that the engine is measured beside, each in its
// own best form: a set-based SQL worker, the same rows written ready-made, and a
// naive message handler.
package baseline
