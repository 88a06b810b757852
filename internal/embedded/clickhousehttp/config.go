package clickhousehttp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The users that this server knows.
const (
	UserDefault = "default" // writes: the projector's
	UserReader  = "reader"  // reads: people and their tools
	UserServe   = "serve"   // reads: the reports of `serve`
)

// Config is what a server needs to know. It holds no password, only their hashes.
type Config struct {
	Users []User
	// Readable are the databases that readers may read, as names in which * stands for any
	// letters.
	Readable []string
	// ReadersRefused, unless empty, is why the SQL of readers is refused.
	ReadersRefused string
}

// User is one of those who may ask.
type User struct {
	Name string
	// Secret is the SHA-256 of the password. The passwords are random, so that a hash
	// made to be slow would guard nothing more.
	Secret [sha256.Size]byte
	// Writes reports whether the user may do everything within the store.
	Writes bool
	Limits Limits
}

// Limits bound what a user may take. 0 means no limit, except for Slots.
type Limits struct {
	// Slots are the statements that run at once; Waiting are those that wait for one, for
	// WaitMax at most. Further ones are refused after RefuseAfter.
	Slots, Waiting       int
	WaitMax, RefuseAfter time.Duration
	// TimeMax and MemoryBytesMax bound one statement, RowsMax and BytesMax its answer.
	// ThreadsMax bounds the processors that it keeps busy.
	TimeMax           time.Duration
	MemoryBytesMax    uint64
	RowsMax, BytesMax uint64
	ThreadsMax        uint64
	// StatementBytesMax bounds the statement's text, ArriveMax the time for it to come.
	StatementBytesMax int64
	ArriveMax         time.Duration
	// WriteMax is how long a client may not take a piece of its answer.
	WriteMax time.Duration
	// StatementsMax and BusyMax bound the statements, and the time that they run, in a
	// quota's minute.
	StatementsMax int
	BusyMax       time.Duration
}

// The databases that readers may read, unless others are named.
var readableByDefault = []string{"mart", "*_mart"}

// NewConfig draws passwords for the users. It returns the passwords apart: only their
// hashes are the server's business.
func NewConfig(readable []string) (Config, map[string]string, error) {
	if len(readable) == 0 {
		readable = readableByDefault
	}
	config := Config{
		Readable: readable,
		Users: []User{
			{Name: UserDefault, Writes: true, Limits: writersLimits()},
			{Name: UserServe, Limits: serveLimits()},
			{Name: UserReader, Limits: readersLimits()},
		},
	}
	passwords := make(map[string]string)
	for i := range config.Users {
		user := &config.Users[i]
		secret := make([]byte, 16)
		if _, err := rand.Read(secret); err != nil {
			return Config{}, nil, err
		}
		passwords[user.Name] = hex.EncodeToString(secret)
		user.Secret = sha256.Sum256([]byte(passwords[user.Name]))
	}
	return config, passwords, nil
}

// writersLimits keep a projector from taking a machine by mistake; they trust it.
func writersLimits() Limits {
	return Limits{
		Slots: 32, Waiting: 512, WaitMax: time.Minute,
		StatementBytesMax: 64 << 20, ArriveMax: time.Minute, WriteMax: time.Minute,
	}
}

// serveLimits are for reports that the developers of a shop wrote, not its readers.
func serveLimits() Limits {
	l := readersLimits()
	l.Slots, l.Waiting, l.WaitMax = 8, 64, 10*time.Second
	l.MemoryBytesMax = 2 << 30
	l.StatementsMax, l.BusyMax, l.RefuseAfter = 0, 0, 0
	return l
}

// readersLimits leave half of a machine to others whatever readers ask, but for the
// smallest machines.
func readersLimits() Limits {
	return Limits{
		Slots: max(2, runtime.NumCPU()/2), Waiting: 32, WaitMax: 5 * time.Second, RefuseAfter: 3 * time.Second,
		TimeMax: 30 * time.Second, MemoryBytesMax: 1 << 30,
		RowsMax: 10_000_000, BytesMax: 1 << 30, ThreadsMax: 1,
		StatementBytesMax: 256 << 10, ArriveMax: 5 * time.Second, WriteMax: 5 * time.Second,
		StatementsMax: 3000, BusyMax: 2 * time.Minute,
	}
}

// readable reports whether readers may read a database.
func (c *Config) readable(database string) bool {
	return slices.ContainsFunc(c.Readable, func(pattern string) bool { return patternRegexp(pattern).MatchString(database) })
}

// patternRegexp is a name in which * stands for any letters, as a regular expression.
func patternRegexp(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
}

// errAuthentication does not say which of the two is wrong.
var errAuthentication = exception(516, "AUTHENTICATION_FAILED", "Authentication failed: the password is incorrect, or there is no user with such name. The store's address, as it is printed, has both.")

// authenticate finds the user who asks, by one of HTTP's ways. A request without a user
// is refused.
func (s *Server) authenticate(r *http.Request) (*User, error) {
	name, password, given := r.BasicAuth()
	values := r.URL.Query()
	switch {
	case given:
	case r.Header.Get("X-ClickHouse-User") != "":
		name, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	case values.Get("user") != "":
		name, password = values.Get("user"), values.Get("password")
	}
	sum := sha256.Sum256([]byte(password))
	var found *User
	for i := range s.config.Users {
		user := &s.config.Users[i]
		// Both are compared for every user, in the same time whatever they are.
		if subtle.ConstantTimeCompare([]byte(name), []byte(user.Name))&subtle.ConstantTimeCompare(sum[:], user.Secret[:]) == 1 {
			found = user
		}
	}
	if found == nil {
		return nil, errAuthentication
	}
	return found, nil
}
