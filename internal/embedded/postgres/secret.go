package postgres

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/readside/readside/internal/embedded/keeper"
)

// secretFile is the file of a store's folder that holds the cluster's secret.
const secretFile = "readside.secret"

// onlyPasswords is the pg_hba.conf of every cluster: loopback alone, and nobody
// without a password. A standby replicates with one, too.
const onlyPasswords = `# Written by Readside. There is no other line: what is not named here is refused.
host all         all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
`

// secret is what the passwords of one cluster are made from. It is random, and
// known to the keeper, to its parent and to the store's folder.
type secret string

func newSecret() secret {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	return secret(hex.EncodeToString(random[:]))
}

// password returns the password of one role. It does not disclose those of others.
func (s secret) password(role string) string {
	const bytesUsed = 16
	sum := hmac.New(sha256.New, []byte(s))
	sum.Write([]byte("postgres role " + role))
	return hex.EncodeToString(sum.Sum(nil)[:bytesUsed])
}

// readSecret returns the secret of a store's folder; empty where there is none yet.
func readSecret(dir string) (secret, error) {
	text, err := os.ReadFile(filepath.Join(dir, secretFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return secret(text), err
}

// keep writes the secret into a store's folder. Only the keeper's user may read it:
// the server's account needs no password.
func (s secret) keep(dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, secretFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(string(s))
	return errors.Join(err, file.Sync(), file.Close())
}

// lockUp gives the cluster in data its access rules and the superuser his password.
// No server runs meanwhile: a single backend reads the statement from a pipe.
func lockUp(ctx context.Context, bin, data string, s secret, who *keeper.Account) error {
	hba := filepath.Join(data, "pg_hba.conf")
	if err := os.WriteFile(hba, []byte(onlyPasswords), 0o600); err != nil { // it keeps its owner
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--single", "-F", "-D", data, "template1")
	cmd.Dir, cmd.Env = data, environment()
	cmd.Stdin = strings.NewReader(fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'\n", Superuser, s.password(Superuser)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who.Credential()}
	// A statement that fails ends no single backend: what it writes tells.
	out, err := cmd.CombinedOutput()
	if err == nil && (bytes.Contains(out, []byte("ERROR")) || bytes.Contains(out, []byte("FATAL"))) {
		err = errors.New("the statement failed")
	}
	if err != nil {
		text := strings.ReplaceAll(strings.TrimSpace(string(out)), s.password(Superuser), "…")
		return fmt.Errorf("set the superuser's password: %w: %s", err, text)
	}
	return nil
}
