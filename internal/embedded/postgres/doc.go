// Package postgres runs an embedded Postgres: the machine's own, or a fetched one, in a
// cluster of its own whose users all have passwords.
package postgres
