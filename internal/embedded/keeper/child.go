package keeper

import (
	"encoding/json"
	"fmt"
	"os"
)

// childVariable tells a binary that was started again what to be, as a child in JSON.
const childVariable = "READSIDE_EMBEDDED_CHILD"

// child says which child to run: a name, and what it is told.
type child struct {
	Name string
	Spec json.RawMessage
}

// Children are what this binary may be when it is started again: by a name, the function that
// does the child's work, given what the child is told, and returns its exit code.
type Children map[string]func(spec []byte) int

// Of is the child that decodes what it is told as a T.
func Of[T any](run func(T) int) func(spec []byte) int {
	return func(spec []byte) int {
		var told T
		if err := json.Unmarshal(spec, &told); err != nil {
			return misused(err)
		}
		return run(told)
	}
}

// RunIfChild runs the child that this process was started to be, and does not return then. In
// other processes it does nothing.
func RunIfChild(children Children) {
	text := os.Getenv(childVariable)
	if text == "" {
		return
	}
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		os.Exit(misused(err))
	}
	// What the store starts must not take itself for a child again.
	_ = os.Unsetenv(childVariable)
	run := children[c.Name]
	if run == nil {
		os.Exit(misused(fmt.Errorf("there is no child %q", c.Name)))
	}
	os.Exit(run(c.Spec))
}

func misused(err error) int {
	fmt.Fprintf(os.Stderr, "embedded: %s is for this package alone: %v\n", childVariable, err)
	return 2
}

// ChildEnvironment is the variable that makes this binary, started again, a child.
func ChildEnvironment(name string, spec any) (variable string, err error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	whole, err := json.Marshal(child{name, text})
	return childVariable + "=" + string(whole), err
}

// Executable is this binary, also when the file was replaced while it runs.
func Executable() (string, error) {
	const linuxSelf = "/proc/self/exe"
	if _, err := os.Stat(linuxSelf); err == nil {
		return linuxSelf, nil
	}
	return os.Executable()
}
