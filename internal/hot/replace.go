package hot

import "fmt"

// Replace queues that row takes the place of what is stored under the key; a zero
// image leaves nothing there.
func (t *Table) Replace(s *Session, key string, row Image) {
	s.Queue(fmt.Sprintf("delete from %s where %s = $1::text", qualified(t.Name), quote(t.key())), []byte(key))
	if !row.IsZero() {
		t.insert(s, []Image{row})
	}
}
