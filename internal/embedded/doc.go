// Package embedded runs a real Postgres and a real ClickHouse for `demo` and for
// the tests, on loopback, in folders of their own.
//
//	this process ── pipe ──> keeper ──> store
//	                (lives as long as we do)
//
// A keeper is this same binary, started again (see package keeper). It makes the
// folder, starts the store, restarts or kills it on request, and waits on the pipe
// that it holds from us. When the pipe ends, because we stopped or because we were
// killed, it stops the store, removes a temporary folder and exits: nothing stays
// behind. Postgres is the machine's own; ClickHouse is libchdb, the same engine as
// a library, behind a small server that speaks as much of the ClickHouse HTTP
// interface as clickhouse-go uses, or the program `clickhouse` where libchdb has no
// build. Setup installs what is missing.
//
// Loopback is no boundary: other users and a browser's pages reach it. A Postgres
// has no user without a password, made from a secret of its own that only URLs hold.
// The ClickHouse server is confined by the kernel to its folder, as a user that owns
// nothing else where root starts it, without a socket but its listener; its users have
// random passwords, which URL returns. A `clickhouse` program has the same users, bounded
// by its own grants, constraints and quota, and no kernel's wall. Both stores are meant for data that may be thrown
// away. Never open them to a network.
package embedded
