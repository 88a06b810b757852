// Package exact checks that nothing is lost and nothing counted twice: seeded stories
// of the shop are appended by several writers while workers are killed and started
// again, or stopped until another has taken over; while server processes are killed and
// stores restarted; and while views, rows and facts are rebuilt. Some events fail in the
// program of before, some in every program, and some cannot be decoded: operators retry
// them and give them up. What stands in the tables in the end, and what a reaction did,
// is compared with oracles.
//
// The oracles for orders, baskets and accounts are plain Go over the decoded events
// and know nothing of package projections; for the cold tables they are SQL over the
// log.
package exact
