// Package hot is the Postgres side of views: their tables, and reading and writing
// rows in sets. It decides nothing: what a row holds is decided in package projections, when
// it is written in package engine.
//
// A row's Image is its columns in Postgres's binary form, each with its length in
// front (rooms cell and image). The same bytes are what COPY takes, what arrays are made of and
// what two states of a row are compared by, so a column is written only where its bytes differ.
// Statements are gathered and sent over together (room pipeline).
package hot
