package clickhousehttp

import (
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/readside/readside/internal/embedded/libchdb"
)

// helloText is what clickhouse-go asks first.
const helloText = "SELECT displayName(), version(), revision(), timezone()"

// isHello reports whether a request is the greeting, which is answered by hand.
func isHello(q *request) bool { return q.text == helloText && q.revision > 0 }

// The library writes the Native format at revision 0. The client decodes the
// hello at its own revision and all that follows at the one it is told there.
const nativeRevision = 0

// answerHello writes the one block that must be framed by hand.
func answerHello(out *body, session *libchdb.Session, clientRevision int) error {
	text, _, err := session.Query("SELECT displayName(), version(), timezone()", "TabSeparated", nil)
	if err != nil {
		return err
	}
	fields := strings.Split(strings.TrimSuffix(string(text), "\n"), "\t")
	if len(fields) != 3 {
		return fmt.Errorf("the engine introduces itself with %q", text)
	}
	return out.write(helloBlock(fields[0], fields[1], fields[2], clientRevision))
}

func helloBlock(name, version, zone string, clientRevision int) []byte {
	revision := proto.ColUInt32{nativeRevision}
	block := proto.Block{
		Info:    proto.BlockInfo{BucketNum: -1},
		Columns: 4,
		Rows:    1,
	}
	var buffer proto.Buffer
	err := block.EncodeBlock(&buffer, clientRevision, []proto.InputColumn{
		{Name: "displayName()", Data: stringColumn(name)},
		{Name: "version()", Data: stringColumn(version)},
		{Name: "revision()", Data: &revision},
		{Name: "timezone()", Data: stringColumn(zone)},
	})
	if err != nil { // only columns of unequal length could be refused
		panic(err)
	}
	return buffer.Buf
}

func stringColumn(text string) *proto.ColStr {
	column := new(proto.ColStr)
	column.Append(text)
	return column
}
