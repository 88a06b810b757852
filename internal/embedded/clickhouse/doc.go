// Package clickhouse runs an embedded ClickHouse: libchdb, the engine as a library, in a
// process that the kernel confines to its folder, behind a small server that speaks as much of
// the ClickHouse HTTP interface as clickhouse-go uses; or the program `clickhouse` where
// libchdb has no build.
package clickhouse
