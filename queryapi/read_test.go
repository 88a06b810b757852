package queryapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/queryapi"
)

func TestARowByKeyInEveryType(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	reprint := 3
	b := aBook(1)
	b.Sold = 1<<53 + 1
	b.Editions = append(b.Editions, edition{Big: 1<<64 - 1, Labels: map[string]string{"cover": "soft"}, Reprint: &reprint})
	s.addBook(b)
	got := ask(t, s.api(queryapi.Options{}), `{ book(id: "b001") {
		id authorId title pages sold rating inPrint subtitle seen out code cost bound rebound sequel award
		editions { number price { amount currency } notes labels printed big reprint }
		first { notes price { amount } }
		freshness { view version state lagEvents }
		__typename
	} none: book(id: "b999") { id } }`)
	want := map[string]any{
		"none": nil,
		"book": map[string]any{
			"id": "b001", "authorId": "a1", "title": "Title 0", "pages": 101.0, "sold": "9007199254740993",
			"rating": 0.25, "inPrint": false, "subtitle": "part 1", "seen": nil, "out": "2026-03-01T09:30:00.25Z",
			"code": "b80c8fef-a677-5340-85fb-2c162d75df03", "cost": "49.99", "bound": "paper", "rebound": "spiral", "sequel": 1.0, "award": nil,
			"editions": []any{
				map[string]any{"number": 1.0, "price": map[string]any{"amount": 100.0, "currency": "EUR"}, "notes": []any{"n"},
					"labels": nil, "printed": "2026-03-01T09:30:00.25Z", "big": 0.0, "reprint": nil},
				map[string]any{"number": 0.0, "price": map[string]any{"amount": 0.0, "currency": ""}, "notes": []any{},
					"labels": map[string]any{"cover": "soft"}, "printed": "0001-01-01T00:00:00Z", "big": "18446744073709551615", "reprint": 3.0},
			},
			"first":      map[string]any{"notes": []any{}, "price": map[string]any{"amount": 0.0}},
			"freshness":  map[string]any{"view": "book", "version": 2.0, "state": "LIVE", "lagEvents": 0.0},
			"__typename": "Book",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadersSeeLiveRowsOnly(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.addBookTo("book_v2_g1", aBook(1), 1)
	s.addBookTo("book_v2_g1", aBook(2), 2)
	s.addBookTo("book_v2_g1", aBook(3), 3)
	got := ask(t, s.api(queryapi.Options{}), `{ unborn: book(id: "b001") { id } deleted: book(id: "b003") { id } books { nodes { id } } }`)
	want := map[string]any{"unborn": nil, "deleted": nil, "books": map[string]any{"nodes": []any{map[string]any{"id": "b002"}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
