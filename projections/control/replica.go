package control

import "time"

// Replica is how far a server that is read from is behind its primary. The zero Replica is a
// primary.
type Replica struct {
	// Standby reports whether the server repeats what a primary did.
	Standby bool
	// Receiving reports whether it is connected to the primary. Without that, nobody here knows
	// what the primary has committed since.
	Receiving bool
	// Behind is how old the state shown may be: 0 where all that was received is shown.
	Behind time.Duration
}

// The SQL expressions of a Replica. A standby with all that it received shows the primary's
// state, as long as the connection lives; one that has received more than it shows is as old
// as the last commit shown. A connection that hangs is noticed by the leases: their renewals
// come every few seconds, and none comes any more.
const (
	StandbySQL   = `pg_is_in_recovery()`
	ReceivingSQL = `(pg_is_in_recovery() and exists (select from pg_stat_wal_receiver))`
	BehindSQL    = `case when not pg_is_in_recovery() then interval '0'
            when pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() and exists (select from pg_stat_wal_receiver) then interval '0'
            else coalesce(greatest(interval '0', clock_timestamp() - pg_last_xact_replay_timestamp()), interval '0') end`
	// ReplicaSQL are its columns, in the order of its fields.
	ReplicaSQL = StandbySQL + `, ` + ReceivingSQL + `, ` + BehindSQL
)

// Fields are where the columns of ReplicaSQL are scanned to.
func (r *Replica) Fields() []any { return []any{&r.Standby, &r.Receiving, &r.Behind} }
