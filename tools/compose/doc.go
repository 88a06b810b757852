// Package compose checks deploy/compose.yaml with compose's own library. It has
// tests only.
package compose
