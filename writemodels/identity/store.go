package identity

import (
	"errors"

	"github.com/jackc/pgx/v5"
)

const (
	loadSQL = `select id, version, name, email, street, city, postal_code, country
		from shop_identity.customers where id = $1 for update`
	emailTakenSQL = `select exists (select from shop_identity.customers where lower(email) = lower($1) and id <> $2)`
	saveSQL       = `insert into shop_identity.customers (id, version, name, email, street, city, postal_code, country)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (id) do update set version = excluded.version, name = excluded.name, street = excluded.street,
			city = excluded.city, postal_code = excluded.postal_code, country = excluded.country`
)

func queueLoad(b *pgx.Batch, id string, c *Customer) {
	b.Queue(loadSQL, id).QueryRow(func(row pgx.Row) error {
		a := &c.Address
		err := row.Scan(&c.ID, &c.Version, &c.Name, &c.Email, &a.Street, &a.City, &a.PostalCode, &a.Country)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

func queueEmailTaken(b *pgx.Batch, email, id string, taken *bool) {
	b.Queue(emailTakenSQL, email, id).QueryRow(func(row pgx.Row) error { return row.Scan(taken) })
}

func queueSave(b *pgx.Batch, c Customer) {
	a := c.Address
	b.Queue(saveSQL, c.ID, c.Version, c.Name, c.Email, a.Street, a.City, a.PostalCode, a.Country)
}
