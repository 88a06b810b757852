package modelling

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/readside/readside"
	"github.com/readside/readside/readsidetest"
)

// foreign are events as other systems write them: CloudEvents without what is ours.
const foreign = `[
  {"specversion":"1.0","id":"1","source":"/desk","type":"repair.CustomerJoined","subject":"zoe","datacontenttype":"application/vnd.desk+json","data":{"ID":"zoe","Name":"Zoë"},"partitionkey":"eu","sampled":true},
  {"specversion":"1.0","id":"2","source":"/desk","type":"repair.CustomerRated","subject":"zoe","dataschema":"https://desk.example/rated.json","data":{"ID":"zoe","Tier":"gold","Limit":"7.5"}}
]`

// TestImportCases brings them into a running program, as an operator does.
func TestImportCases(t *testing.T) {
	program := readsidetest.Start(t, app)
	file := filepath.Join(t.TempDir(), "desk.json")
	if err := os.WriteFile(file, []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := program.Command("events", "import", "--check", file)
	for _, want := range []string{
		`line 2: attribute "time" is missing: add it, or let the import assign times` + "\n" +
			`  attribute "streamversion" is missing: add the event's number in its stream, from 1, or let the import assign versions` + "\n",
		`line 3: attribute "time" is missing`, "0 events would be appended, 0 are there already, 2 are faulty",
	} {
		if code == readside.ExitOK || !strings.Contains(out, want) {
			t.Errorf("the check exits with %d and does not say %s:\n%s", code, want, out)
		}
	}
	assigned := []string{"events", "import", "--assign-versions", "--assign-times", file}
	if out := program.Run(append(assigned, "--check")...); out != "2 events would be appended, 0 are there already, 0 are faulty\n" {
		t.Errorf("the check says %s", out)
	}
	for _, want := range []string{"2 events read, 2 appended, 0 were there already\n", "2 events read, 0 appended, 2 were there already\n"} {
		if out := program.Run(assigned...); out != want {
			t.Errorf("the import says %s, and not %s", out, want)
		}
	}
	program.Head()
	if got, want := program.Query(`{ customer(id: "zoe") { name tier creditLimit } }`, nil), `{"customer":{"creditLimit":"7.50","name":"Zoë","tier":"gold"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	program.Query(`{ turnover(method: "11111111-2222-4333-8444-555555555555") { rows { total } } }`, nil) // the facts have come as far
	exported := program.Run("events", "export")
	for _, want := range []string{`"datacontenttype":"application/vnd.desk+json"`, `"dataschema":"https://desk.example/rated.json"`, `"partitionkey":"eu"`, `"sampled":true`} {
		if !strings.Contains(exported, want) {
			t.Errorf("the export has no %s:\n%s", want, exported)
		}
	}
	program.Run("verify")
}
