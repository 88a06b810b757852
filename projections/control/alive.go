package control

// LeaseHeldSQL is an SQL expression: whether the lease l, a row of readside.leases, is
// held. It has not run out, at the moment that the server shows, and the server process
// that writes for its owner is there: a worker that was killed is seen at once and not
// when its lease runs out. A standby has the lease and not the process.
const LeaseHeldSQL = `(l.expires_at > clock_timestamp() - (` + BehindSQL + `)
  and (pg_is_in_recovery() or exists (select from pg_stat_get_activity(l.backend_pid) a where a.datid = (select d.oid from pg_database d where d.datname = current_database()))))`

// HoldsLeaseSQL is an SQL condition: whether $2 names the worker that holds the lease of
// projector $1.
const HoldsLeaseSQL = `exists (select from readside.leases where projector = $1 and owner::text = $2 and expires_at > clock_timestamp())`

// AtColdEpochSQL is an SQL condition: whether cold projector $1 is at the epoch $2, as text.
const AtColdEpochSQL = `exists (select from readside.cold_checkpoint where name = $1 and epoch::text = $2)`

// ColdHeldSQL is an SQL expression: whether a worker holds the lock of the cold projector
// c, a row of readside.cold_checkpoint. Locks are not replicated: on a standby the worker's
// signs of life decide, which Judge asks for in any case.
const ColdHeldSQL = `(pg_is_in_recovery() or exists (select from pg_locks k where k.locktype = 'advisory' and k.objsubid = 1 and k.granted
  and k.database = (select d.oid from pg_database d where d.datname = current_database())
  and (k.classid::bigint << 32 | k.objid::bigint) = hashtextextended('readside.cold:' || c.name, 0)))`
